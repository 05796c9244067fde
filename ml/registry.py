"""The model registry: whole pipelines in files, one row each in `ops.duckdb`, checked before use.

A model is a skops file named by its version, with its SHA-256 in the row. A version is a hash of the
training data, the code and the seed: the same data gives the same version, so training twice adds
nothing. A file whose checksum differs, or that holds a type not on the list, is refused, and the next
training makes it anew.

Reads: ops.model_registry, `models/*.skops`. Writes: the same, and `docs/model-cards/` beside them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warehouse.duck import connect
from warehouse.errors import WarehouseError
from warehouse.failpoints import hit
from warehouse.locks import hold

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from warehouse.settings import Settings

# What skops does not trust by itself and we vouch for: our own function, and parts of scikit-learn that our
# pipelines are made of.
TRUSTED_TYPES = (
    # boosting checks its numbers by a partial of check_array; what a partial calls must stand here itself
    "functools.partial",
    "ml.churn.blend.Blend",
    "ml.churn.models.signed_log",
    "ml.churn.signed_logistic.SignedLogistic",
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)

# In schema main, so that `ops.model_registry` reads well (see warehouse.ledger).
_TABLE = """
    create table if not exists ops.model_registry (
        sequence bigint not null,
        model_name varchar not null,
        model_version varchar not null,
        kind varchar not null,
        status varchar not null,
        reason varchar not null,
        trained_as_of timestamp not null,
        data_from timestamp,
        data_to timestamp,
        training_rows bigint not null,
        features json not null,
        metrics json not null,
        details json not null,
        code_version varchar not null,
        seed bigint not null,
        file varchar not null,
        sha256 varchar not null,
        registered_at timestamp not null
    )
"""


@dataclass(frozen=True)
class Model:
    """A row of the registry, and its pipeline when loaded.

    Attributes:
        name: `churn` or `segments`.
        version: Hash of data, code and seed.
        kind: Candidate that was chosen (`logistic`, `boosting`, `base_rate`, `k_means`).
        status: `promoted`, `fallback` (too young, or nothing beat the baseline) or `rejected`.
        details: What scoring needs beside the pipeline (centres of contributions, cluster names).
    """

    name: str
    version: str
    kind: str
    status: str
    reason: str
    trained_as_of: datetime
    data_from: datetime | None
    data_to: datetime | None
    training_rows: int
    features: list[str]
    metrics: dict[str, Any]
    details: dict[str, Any]
    seed: int
    sha256: str = ""
    file: str = ""
    pipeline: Any = None


@lru_cache(maxsize=1)
def code_version() -> str:
    """Hash of this package's source, so that changed code gives a new version."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def version_of(name: str, frame: pd.DataFrame, seed: int, **extra: Any) -> str:
    """Version of a model trained on a table: the same rows, code and seed give the same text."""
    import pandas as pd
    import sklearn

    digest = hashlib.sha256()
    digest.update(json.dumps([name, list(frame.columns), seed, extra], default=str).encode())
    digest.update(f"{code_version()} {sklearn.__version__}".encode())
    # Rounded, so that a sum taken in another order does not look like other data.
    numbers = frame.select_dtypes("number").columns
    digest.update(
        pd.util.hash_pandas_object(frame.assign(**frame[numbers].round(6)), index=False)
        .to_numpy()
        .tobytes()
    )
    return f"{name}-{digest.hexdigest()[:12]}"


def open_ops(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Make sure that the registry's table exists."""
    con.execute(_TABLE)
    return con


def find(settings: Settings, version: str) -> Model | None:
    """The registered model of a version, without its pipeline."""
    if not settings.ops_db.exists():
        return None
    with _opened(settings, "reading the model registry") as con:
        return _version(con, version)


def champion(settings: Settings, name: str) -> Model | None:
    """The model in use: promoted or fallback, registered last."""
    if not settings.ops_db.exists():
        return None
    with _opened(settings, "reading the model registry") as con:
        return _champion(con, name)


def decisions(ops: duckdb.DuckDBPyConnection) -> Any:
    """What became of each model, as an Arrow table: of gold.model_decisions."""
    promotion, best = "metrics->'$.promotion", "metrics->'$.best"
    return ops.sql(
        f"""
        select
            md5(model_version) as id,
            sequence as decision_number,
            model_name,
            model_version,
            kind as model_kind,
            status,
            reason,
            json_extract_string(metrics, '$.promotion.champion') as champion_version,
            cast({promotion}.over_baseline.rows' as bigint) as compared_customer_dates,
            cast({promotion}.over_baseline.mean' as double) as gain_over_baseline,
            cast({promotion}.over_baseline.low' as double) as gain_over_baseline_low,
            cast({promotion}.over_champion.positives' as bigint) as fresh_churns,
            cast({promotion}.over_champion.mean' as double) as gain_over_champion,
            cast({promotion}.over_champion.low' as double) as gain_over_champion_low,
            cast({best}.roc_auc' as double) as roc_auc,
            cast({best}.expected_calibration_error' as double) as expected_calibration_error,
            training_rows,
            data_from,
            data_to,
            trained_as_of,
            registered_at,
        from ops.model_registry
        order by sequence
        """
    ).to_arrow_table()


def settled(settings: Settings, name: str, version: str) -> Model | None:
    """The registered model of a version, where training has nothing to do.

    None: the version is new, or a file can't be used, its own or that of the model in use.
    """
    if not settings.ops_db.exists():
        return None
    with _opened(settings, "reading the model registry") as con:
        return _settled(con, settings, name, version)


def register(settings: Settings, model: Model, *, now: datetime) -> Model:
    """Store a fitted model and its row, as the newest of its name.

    Nothing happens if the version is there already, with a sound file and the same status. Looking, storing and noting
    are one step: of two trainings at once the second finds what the first has stored.

    Args:
        settings: Says where models and `ops.duckdb` are.
        model: With its pipeline.
        now: Instant to note.
    """
    from dataclasses import replace

    with _opened(settings, "model registry") as con:
        known = _settled(con, settings, model.name, model.version)
        if known is not None and known.status == model.status:
            return known
        path = settings.models_dir / f"{model.version}.skops"
        stored = replace(model, file=path.name, sha256=_store(model.pipeline, path))
        hit("train.model_stored", settings)
        con.begin()
        con.execute("delete from ops.model_registry where model_version = ?", [stored.version])
        con.execute(
            """
            insert into ops.model_registry
            select coalesce(max(sequence), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                $15, $16, $17
            from ops.model_registry
            """,
            [
                stored.name, stored.version, stored.kind, stored.status, stored.reason, stored.trained_as_of,
                stored.data_from, stored.data_to, stored.training_rows, json.dumps(stored.features),
                _json(stored.metrics), _json(stored.details), code_version(), stored.seed, stored.file,
                stored.sha256, _naive(now),
            ],
        )  # fmt: skip
        con.commit()
    return stored


def load(settings: Settings, model: Model) -> Model:
    """The model with its pipeline, read from its file after the checks.

    Raises:
        WarehouseError: The file is missing, was changed, or holds a type that is not on the list.
    """
    from dataclasses import replace

    import skops.io

    data = _checked(settings, model)
    return replace(model, pipeline=skops.io.loads(data, trusted=list(TRUSTED_TYPES)))


def fault(settings: Settings, model: Model) -> str | None:
    """Why the file of a registered model can't be used; None: it can."""
    try:
        _checked(settings, model)
    except WarehouseError as error:
        return str(error)
    return None


def _checked(settings: Settings, model: Model) -> bytes:
    """What is in a model's file."""
    import skops.io

    path = settings.models_dir / model.file
    hint = "run `warehouse train`: it makes the file anew"
    if not path.exists():
        raise WarehouseError(f"model file {path} is missing", hint)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise WarehouseError(
            f"model file {path} is not the one registered: its SHA-256 differs", hint
        )
    unknown = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED_TYPES))
    if unknown:
        raise WarehouseError(f"model file {path} holds unknown types: {', '.join(unknown)}", hint)
    return data


def _store(pipeline: Any, path: Path) -> str:
    import skops.io

    data = skops.io.dumps(pipeline)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _opened(settings: Settings, what: str) -> Iterator[duckdb.DuckDBPyConnection]:
    with hold(settings.ops_db, what=what, timeout=settings.lock_timeout):
        con = open_ops(connect(settings.ops_db))
        try:
            yield con
        finally:
            con.close()


def _version(con: duckdb.DuckDBPyConnection, version: str) -> Model | None:
    return _one(con, "where model_version = ?", [version])


def _champion(con: duckdb.DuckDBPyConnection, name: str) -> Model | None:
    return _one(
        con, "where model_name = ? and status <> 'rejected' order by sequence desc limit 1", [name]
    )


def _settled(
    con: duckdb.DuckDBPyConnection, settings: Settings, name: str, version: str
) -> Model | None:
    known, in_use = _version(con, version), _champion(con, name)
    if known is None or any(fault(settings, each) for each in (known, in_use) if each is not None):
        return None
    return known


def _one(con: duckdb.DuckDBPyConnection, clause: str, parameters: list[Any]) -> Model | None:
    row = con.execute(
        f"""
        select model_name, model_version, kind, status, reason, trained_as_of, data_from, data_to,
            training_rows, features, metrics, details, seed, sha256, file
        from ops.model_registry {clause}
        """,
        parameters,
    ).fetchone()
    if row is None:
        return None
    values = list(row)
    values[9:12] = [json.loads(text) for text in values[9:12]]
    return Model(*values)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False, default=float)


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment

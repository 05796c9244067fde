"""Look for persons in an edition that may not hold any: e-mail addresses, and what tells who a customer is.

An address or a customer's id is a leak wherever it stands. The name of a company is text from outside: a customer may
call itself `Team`, `USD` or nothing at all, and so stands in columns that hold codes. That must not stop a publish, so
a name counts by the company it keeps:

- A blank name is none.
- A column is a leak if most of its values are names, and at least three.
- Elsewhere a name is a code if it stands in a table without customers, or beside at least two customers of other names.
  Of those that are none, three in a column are a leak, and so are fewer that are most of its values.

One or two names among many codes are thus let through: they can't be told from customers who named themselves so.

Reads: the edition. Writes: nothing.
Run: by `serving.audit`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import duckdb

from serving.editions import CUSTOMER, UNKNOWN_MEMBERS

# So many names are no chance.
MANY = 3


@dataclass(frozen=True)
class Persons:
    """Who the customers are.

    Attributes:
        ids: Their ids and e-mail addresses.
        names: Company name → how many customers bear it; none of them is an id too.
    """

    ids: frozenset[str]
    names: Mapping[str, int]


@dataclass(frozen=True)
class TextColumn:
    """A column that may hold text; `has_customers`: its table says whose each row is."""

    schema: str
    table: str
    column: str
    has_customers: bool

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}.{self.column}"


@dataclass(frozen=True)
class _Found:
    values: int
    addresses: int
    ids: int
    names: frozenset[str]

    def is_mostly(self, names: Collection[str]) -> bool:
        return 2 * len(names) > self.values

    @property
    def is_list_of_names(self) -> bool:
        return len(self.names) >= MANY and self.is_mostly(self.names)


def persons_of(con: duckdb.DuckDBPyConnection, columns: Collection[str]) -> Persons:
    """Read who the customers are from a restricted edition.

    Args:
        con: The open edition.
        columns: Columns of its dim_customers.
    """
    ids = [
        f'select "{column}" as value from gold.dim_customers where {condition}'
        for column, condition in ((CUSTOMER, "true"), ("email", "contains(email, '@')"))
        if column in columns
    ]
    names = (
        "select company_name as value, count(*) from gold.dim_customers group by value"
        if "company_name" in columns
        else ""
    )
    known = frozenset(row[0] for row in _rows(con, " union ".join(ids)) if _is_said(row[0]))
    borne = {name: bearers for name, bearers in _rows(con, names) if _is_said(name)}
    return Persons(known, {name: borne[name] for name in borne.keys() - known})


def find(
    con: duckdb.DuckDBPyConnection, columns: Iterable[TextColumn], persons: Persons
) -> str | None:
    """Where the edition tells who a customer is, in words; None if it does not.

    Args:
        con: The open edition, which holds pseudonyms for ids.
        columns: What to look at.
        persons: Whom to look for.
    """
    con.execute("create temp table identifiers (value varchar, is_name boolean)")
    for values, is_name in ((persons.ids, False), (persons.names, True)):
        con.execute("insert into identifiers select unnest(?::varchar[]), ?", [[*values], is_name])
    found = {column: _look(con, column) for column in columns}
    codes: set[str] = set()
    for column, seen in found.items():
        if seen.is_list_of_names:
            continue
        if column.has_customers:
            codes |= _shared(con, column, {name: persons.names[name] for name in seen.names})
        else:
            codes |= seen.names
    for column, seen in found.items():
        if seen.addresses:
            return f"{column} holds {seen.addresses} e-mail addresses"
        names = seen.names if seen.is_list_of_names else seen.names - codes
        is_leak = len(names) >= MANY or seen.is_mostly(names)
        if count := seen.ids + (len(names) if is_leak else 0):
            return f"{column} holds {count} names or ids of customers"
    return None


def _look(con: duckdb.DuckDBPyConnection, column: TextColumn) -> _Found:
    """Every distinct text is looked at once."""
    ((values, addresses, ids, names),) = _rows(
        con,
        f'with texts as (select distinct "{column.column}"::varchar as value '
        f'from {column.schema}."{column.table}") '
        "select count(texts.value), count(*) filter (contains(texts.value, '@') "
        "and regexp_matches(texts.value, '[^@[:space:]]+@[^@[:space:]]+[.][a-z]{2,}')), "
        "count(texts.value) filter (not is_name), list(texts.value) filter (is_name) "
        "from texts left join identifiers using (value)",
    )
    return _Found(values, addresses, ids, frozenset(names or ()))


def _shared(
    con: duckdb.DuckDBPyConnection, column: TextColumn, bearers: Mapping[str, int]
) -> set[str]:
    """Those names that stand beside at least two customers more than bear them."""
    if not bearers:
        return set()
    held = con.execute(
        f'select "{column.column}", count(distinct {CUSTOMER}) from {column.schema}."{column.table}" '
        f'where list_contains(?::varchar[], "{column.column}") group by 1',
        [[*bearers]],
    ).fetchall()
    return {name for name, customers in held if customers >= bearers[name] + 2}


def _is_said(value: str | None) -> bool:
    return value is not None and value.strip() != "" and value not in UNKNOWN_MEMBERS


def _rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple]:
    return con.execute(sql).fetchall() if sql else []

"""Alerts: rules over published KPIs, judged after each publish, told once, and told again when they are over.

| module | does |
|---|---|
| `rules.yml`, `rules` | what is watched: read and checked |
| `series` | a metric's values per period, out of the published edition |
| `judging` | a value, its baseline, its limit: whether a rule is broken (pure) |
| `evaluation` | every period since the last time, one after the other, through incidents, to the log |
| `log` | `ops.alert_log`, snoozes, messages that wait |
| `messages`, `channels` | what people read, and how it gets to them |
| `failures` | a failed task of Airflow, by the same log and channels |

How to add a rule: docs/alerts.md.
"""

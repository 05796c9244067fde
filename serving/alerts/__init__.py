"""Alerts: rules over published KPIs, judged after each publish, told once, and told again when they are over.

| module | does |
|---|---|
| `rules.yml`, `rules` | what is watched: read and checked |
| `series` | a metric's values per period, out of the published edition |
| `judging` | a value, its baseline, its limit: whether a rule is broken (pure) |
| `observing` | every period that is complete and was not judged before |
| `incidents` | what is broken, what people know of it: one message when it begins, one when it is over |
| `evaluation` | all of it, once after each publish |
| `log` | `ops.alert_log`, snoozes, messages that wait |
| `messages`, `channels`, `delivery` | what people read, and how it gets to them |
| `summary` | what is open, beside the published version, for the alerts page |
| `failures` | a failed task of Airflow, by the same log and channels |

How to add a rule: docs/alerts.md.
"""

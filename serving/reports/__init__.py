"""Reports: the week for the executives, the month for the investors; kept per period, sent by e-mail.

| module | does |
|---|---|
| `periods` | which week or month: the newest that is whole, or the one asked for |
| `source` | numbers of one published edition, and how they are written |
| `weekly`, `monthly` | what each report says, as content: text, tables, figures |
| `content` | what a report is made of; its hash, and how two differ |
| `rendering` | content as one HTML file, as a PDF, as the body of a message |
| `archive` | `reports/<kind>/<period>/r<n>/`: kept, never rewritten |
| `delivery` | a message to each recipient, once |

Run: `warehouse report weekly|monthly`; in Airflow the DAGs `weekly_report` and `monthly_report`. More: docs/reports.md.
"""

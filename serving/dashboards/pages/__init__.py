"""One module a page; what a page must have is `serving.dashboards.page.Page` (README.md beside this folder)."""

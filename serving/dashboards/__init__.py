"""Dashboards on the published edition: pages in the browser, opened by `warehouse dashboard`."""

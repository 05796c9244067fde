"""Sources to raw landing: connectors, files by reference, and the destination that lands both."""

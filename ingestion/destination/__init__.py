"""The destination: whatever a source says goes into its landing file, rows and cursor in one commit."""

"""Files by reference: whole files are taken once by content, checked, and landed without becoming records."""

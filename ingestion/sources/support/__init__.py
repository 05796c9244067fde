"""The support desk in Zendesk's API shape, by a declarative manifest; see README.md here."""

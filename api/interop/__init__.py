"""Other software: webhooks, files of old records, and FHIR."""

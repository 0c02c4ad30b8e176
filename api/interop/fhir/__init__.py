"""What an EHR may read: our records as FHIR R4 resources."""

"""The OpenAPI document as a product: told from the program itself, and shown with examples."""

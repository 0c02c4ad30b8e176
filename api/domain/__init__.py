"""Pure clinical rules: values in, values out."""

"""The rules at work on a case: its facts, the flags that follow, what is hidden of them."""

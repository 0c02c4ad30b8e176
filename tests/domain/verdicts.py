"""Words that no sentence of a rule may hold."""

import re

VERDICTS = re.compile(
    r"\b(guilty|abus\w*|ruptur\w*|fail\w*|violat\w*|misconduct|malpractice|perpetrator|offender|blame\w*|unethical"
    r"|inappropriate\w*|at fault|breach\w*|negligen\w*|punished)\b",
    re.IGNORECASE,
)

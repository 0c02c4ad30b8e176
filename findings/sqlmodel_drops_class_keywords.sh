#!/usr/bin/env bash
# SQLModel 0.0.50 with pydantic 2.14.3: settings in a class's own line are taken and do nothing.
#
# Pydantic takes its settings as keywords of the class: `class Report(BaseModel, extra="forbid")`
# refuses fields that it does not know. One would guess that SQLModel, which is a pydantic model
# and itself asks for `table=True` in that place, does the same, or raises. It lets through only
# the keywords that it finds on pydantic's old class of settings, and since pydantic 2 there are
# none on it: `extra`, `frozen`, `strict`, any setting, and any misspelt one, is accepted and
# dropped. A body that was meant to refuse unknown fields takes them, and a misspelt optional
# field is lost. What helps: `model_config = ConfigDict(extra="forbid")`, which holds.
#
# Seen with Python 3.11:
#   pydantic, extra="forbid": refused
#   SQLModel, extra="forbid": taken
#   SQLModel, ConfigDict(extra="forbid"): refused
#   SQLModel, str_max_length=3: taken
#   SQLModel, frozen=True: changed
#   SQLModel, such_a_thing=True: a class all the same
set -euo pipefail
cd "$(mktemp -d)" && trap 'rm -r "$PWD"' EXIT
python3 -m venv . && bin/pip install -qq --disable-pip-version-check \
    sqlmodel==0.0.50 pydantic==2.14.3 'sqlalchemy[asyncio]==2.1.9'
cat > keywords.py <<'PYTHON'
from pydantic import BaseModel, ConfigDict, ValidationError
from sqlmodel import SQLModel


class Pydantic(BaseModel, extra="forbid"):
    narrative: str


class Forbidding(SQLModel, extra="forbid"):
    narrative: str


class Configured(SQLModel):
    model_config = ConfigDict(extra="forbid")
    narrative: str


class Short(SQLModel, str_max_length=3):
    narrative: str


class Frozen(SQLModel, frozen=True):
    narrative: str


class Misspelt(SQLModel, such_a_thing=True):
    narrative: str


for name, kind, more in (
    ('pydantic, extra="forbid"', Pydantic, {"ocurred_on": "2026-03-01"}),
    ('SQLModel, extra="forbid"', Forbidding, {"ocurred_on": "2026-03-01"}),
    ('SQLModel, ConfigDict(extra="forbid")', Configured, {"ocurred_on": "2026-03-01"}),
    ("SQLModel, str_max_length=3", Short, {}),
):
    try:
        kind.model_validate({"narrative": "as it was told", **more})
        came = "taken"
    except ValidationError:
        came = "refused"
    print(f"{name}: {came}")
frozen = Frozen(narrative="as it was told")
frozen.narrative = "otherwise"
print(f"SQLModel, frozen=True: {'changed' if frozen.narrative == 'otherwise' else 'kept'}")
print(f"SQLModel, such_a_thing=True: {'a class all the same' if Misspelt.model_fields else 'none'}")
PYTHON
bin/python keywords.py | tee said
diff said - <<'SEEN' || { echo "This is no longer so." >&2; exit 1; }
pydantic, extra="forbid": refused
SQLModel, extra="forbid": taken
SQLModel, ConfigDict(extra="forbid"): refused
SQLModel, str_max_length=3: taken
SQLModel, frozen=True: changed
SQLModel, such_a_thing=True: a class all the same
SEEN
echo holds

"""Every table. Whoever imports one of these has all of them in the metadata.

Each key begins with `clinic_id`, so that no row can point into another clinic and every table can
be spread over machines by clinic. Without `relationship()`, SQLAlchemy does not order inserts of
different tables by their foreign keys: flush the parent before its children.
"""

from api.storage.models import clinical, flags, integration, journal, people

__all__ = ["clinical", "flags", "integration", "journal", "people"]

"""Who may do what, in three rooms, each standing on the one before.

`actions` names everything that can be done. `table` gives actions to roles and scopes, and is the
only file of all that names a role: it answers for operations as such. `case_rules` answers for one
case, by how somebody stands to it; what exists for whom there is `api/access/visibility`.
"""

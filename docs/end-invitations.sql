-- Ends every invitation to a client's door, and every visit: after a restore, as the owner.
BEGIN;
UPDATE invitations
SET revoked_at = now(), updated_at = now(), version = version + 1
WHERE revoked_at IS NULL;
DELETE FROM door_sessions;
COMMIT;

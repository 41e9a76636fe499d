/**
 * A log that was moved elsewhere says so in `sequence.moved`, and the database itself refuses whatever would add to it:
 * leaves, heads, publications and terms, from servers that still run as from those that are started later. What only
 * reads the log leads it without an address, and may.
 */
import type { Migration } from './postgres-schema.ts'

export const movedMigration: Migration = {
  name: 'logs that were moved',
  sql: `
    ALTER TABLE sequence ADD COLUMN moved text CHECK (moved <> '');
    UPDATE sequence SET moved = (SELECT value FROM settings WHERE name = 'moved' AND value <> '');
    DELETE FROM settings WHERE name = 'moved';

    CREATE FUNCTION refuse_when_moved() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    DECLARE
      words text;
    BEGIN
      SELECT moved INTO words FROM sequence WHERE moved IS NOT NULL;
      IF FOUND THEN
        RAISE EXCEPTION 'the log % and goes on there; if no server was ever started there, cairn migrate --undo brings it back', words
          USING ERRCODE = 'CA410';
      END IF;
      RETURN NEW;
    END $$;

    -- Conditions are looked at without a call: the way of leaves is as short as before.
    CREATE TRIGGER stays_as_moved BEFORE UPDATE ON sequence FOR EACH ROW
      WHEN (OLD.moved IS NOT NULL AND NEW.next <> OLD.next) EXECUTE FUNCTION refuse_when_moved();
    CREATE TRIGGER stays_as_moved BEFORE UPDATE ON leadership FOR EACH ROW
      WHEN (NEW.epoch > OLD.epoch AND NEW.url <> '') EXECUTE FUNCTION refuse_when_moved();
    CREATE TRIGGER stays_as_moved BEFORE INSERT ON idempotency EXECUTE FUNCTION refuse_when_moved();
    CREATE TRIGGER stays_as_moved BEFORE INSERT OR UPDATE ON head EXECUTE FUNCTION refuse_when_moved();
    CREATE TRIGGER stays_as_moved BEFORE INSERT OR UPDATE ON publication EXECUTE FUNCTION refuse_when_moved();

    -- Says where the log was moved to, unless it has grown beyond what was moved; answers how many leaves have an index.
    -- Whoever gives leaves theirs has the row of sequence until they are committed, and waits for it here.
    CREATE FUNCTION mark_moved(term bigint, known bigint, known_checkpoint bytea, words text) RETURNS bigint
      LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    DECLARE
      sequenced bigint;
    BEGIN
      SELECT next INTO STRICT sequenced FROM sequence FOR UPDATE;
      PERFORM hold_term(term);
      IF coalesce((SELECT checkpoint FROM head), '') <> known_checkpoint THEN
        RAISE EXCEPTION 'the log has got another head since it was copied' USING ERRCODE = 'CA409';
      END IF;
      IF sequenced = known THEN
        UPDATE sequence SET moved = words;
        PERFORM tell_change('leadership');
      END IF;
      RETURN sequenced;
    END $$;
  `,
  // The mark is for the owner to set and to take away.
  grants: { sequence: 'SELECT, UPDATE (next)' },
}

-- Who takes a shard over next: it follows the shard's markets already, and has said so.
ALTER TABLE shard ADD COLUMN heir text NOT NULL DEFAULT '';

-- Which process goes by the name, from which address it speaks to venues, and the venue of each of its sessions there:
-- those behind one address share its budgets.
ALTER TABLE worker
  ADD COLUMN process  text   NOT NULL DEFAULT '',
  ADD COLUMN address  text   NOT NULL DEFAULT '',
  ADD COLUMN sessions text[] NOT NULL DEFAULT '{}';

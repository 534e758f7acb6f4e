"""审计: the one river of events.

Always true: an event is written in the transaction of the change it tells of; `seq` has no gaps; each event holds the hash of
the one before; events are never changed. Personal values stand apart behind a salted hash, so that erasing them leaves the
chain whole. Checkpoints are signed notes on the chain: one that is kept elsewhere shows whether the chain was rewritten or cut.
"""

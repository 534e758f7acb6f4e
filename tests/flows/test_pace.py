"""How large an import's changes are: short for whoever waits, whatever the machine."""

from kashop.flows.restock.pace import CHUNK, CHUNK_SECONDS, MOST_CHUNKS, Chunk


def test_a_quick_writer_is_given_more_by_and_by() -> None:
    chunk, sizes = Chunk(), []
    for _ in range(8):
        sizes.append(chunk.size)
        chunk.took(chunk.size, CHUNK_SECONDS / 400 / CHUNK * chunk.size)
    assert sizes == [CHUNK, 2 * CHUNK, 4 * CHUNK, 8 * CHUNK, 16 * CHUNK, *[MOST_CHUNKS * CHUNK] * 3]


def test_it_settles_where_a_change_takes_its_time() -> None:
    chunk = Chunk()
    each = CHUNK_SECONDS / (5.5 * CHUNK)
    for _ in range(8):
        chunk.took(chunk.size, each * chunk.size)
    assert chunk.size == 5 * CHUNK


def test_one_that_took_long_is_followed_by_the_smallest() -> None:
    chunk = Chunk()
    chunk.took(CHUNK, CHUNK_SECONDS / 100)
    assert chunk.size == 2 * CHUNK
    chunk.took(chunk.size, 60.0)
    assert chunk.size == CHUNK
    chunk.took(0, 0.0)
    assert chunk.size == CHUNK

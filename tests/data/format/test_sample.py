"""Keys of samples, and which members a sample must have."""

from hypothesis import given
from hypothesis import strategies as st

from cartoon_dist.data.format.sample import missing_members, sample_key


def test_keys_are_readable() -> None:
    assert sample_key(12, "holiday/Beach.jpg", None) == "000012-beach"
    assert sample_key(12, "beach.jpg", 3) == "000012-beach-03"
    assert sample_key(7, "Ein schöner 'Tag' v1.2.png", None) == "000007-ein-schoner-tag-v1-2"
    assert sample_key(7, "富士山.png", None) == "000007"


@given(names=st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1), max_size=8))
def test_keys_are_unique_ascii_without_dots(names: list[str]) -> None:
    keys = [sample_key(position, name, tile) for position, name in enumerate(names) for tile in (0, 1)]
    assert len(set(keys)) == len(keys)
    assert all(key.isascii() and "." not in key and "/" not in key and key == key.strip("-") for key in keys)
    assert all(len(key) < 60 for key in keys)


def test_missing_members_are_named() -> None:
    assert missing_members("photo", ["photo.jpg", "saliency.png", "json"]) == []
    assert missing_members("photo", ["photo.png", "json"]) == ["saliency.png"]
    assert missing_members("cartoon", []) == ["cartoon.png", "smoothed.png", "json"]

"""What is the name of a repository, and what is not."""

import pytest

from cartoon_dist.hub.names import RepositoryName, parse_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("someone/hayao", RepositoryName("someone/hayao")),
        ("some-one/hayao_v2.1@main", RepositoryName("some-one/hayao_v2.1", "main")),
        ("someone/hayao@refs/pr/3", RepositoryName("someone/hayao", "refs/pr/3")),
        ("hf://someone/hayao", RepositoryName("someone/hayao")),
        ("hf://someone/hayao.onnx@v1", RepositoryName("someone/hayao.onnx", "v1")),
    ],
)
def test_names(text: str, expected: RepositoryName) -> None:
    assert parse_name(text) == expected
    assert str(expected) == text.removeprefix("hf://")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "hayao",
            "a/b/c",
            "/a/b",
            "./a/b",
            "../b",
            "a/..",
            "a//b",
            "a/b/",
            "",
            "hf://",
            "hf://a",
            "~/b",
            "a/-b",
            "a/b-",
        ),
        *("a/b.safetensors", "a/b.onnx", "a/b.PT", "a/b@", "a/b@..", "a/b@../c", "a b/c", "a/b--c", "a/b.git", "ä/b"),
        *("a/" + "b" * 95, "a/b@" + "c" * 256, "http://a/b", "a/b\n", "a\\b", "hf://a/b?c"),
    ],
)
def test_other_texts(text: str) -> None:
    assert parse_name(text) is None

"""Who made a picture and under which licence: read from READMEs and copyright files, written as a line each."""

import pytest

from bench.attribution import Credit, debian_credits, is_permissive, joined, matching_credit, readme_credits

README = """Copyright: Timothee Giet, 2018
License: CC-BY-SA 4.0
Files:
question.svg
map.webp

Copyright: Kurt Kaiser
License: CC0-1.0
Files: bison.webp france/giraffe.webp
Comment: based on https://example.org/other.jpg

Copyright: nobody says how
Files: free.webp
"""
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: Everybody
License: GPL-3+

Files: src/activities/lang/resource/words_sample/*
Copyright: Arts4Apps project
License: CC-BY-SA-3.0

Files: src/activities/erase/resource/bee.jpg
       src/activities/erase/resource/cat.jpg
Copyright: 2014, A
           2015, B
License: CC-BY-2.0
 The whole text.

License: GPL-3+
 The whole text.
"""


@pytest.mark.parametrize(
    ("licence", "permissive"),
    [
        *[(name, True) for name in ("Public Domain", "public-domain", "CC0-1.0", "CC-BY 4.0", "CC BY 2.0", "MIT")],
        *[(name, False) for name in ("CC-BY-SA-4.0", "CC BY-SA 4.0", "GPL-3+", "GFDL-1.2", "CC-BY-NC-3.0", "", "LGPL")],
        ("CC-BY-4.0; CC-BY-SA-4.0", False),
        ("CC0-1.0; CC-BY-3.0", True),
    ],
)
def test_which_licences_ask_for_no_more_than_a_name(licence: str, permissive: bool) -> None:  # noqa: FBT001
    assert is_permissive(licence) == permissive


def test_a_readme_names_files_on_one_line_or_below() -> None:
    credits = dict(readme_credits(README, package="p"))
    giet = Credit(package="p", author="Timothee Giet, 2018", licence="CC-BY-SA 4.0")
    kaiser = Credit(package="p", author="Kurt Kaiser", licence="CC0-1.0")
    assert credits == {
        "question.svg": giet,
        "map.webp": giet,
        "bison.webp": kaiser,
        "france/giraffe.webp": kaiser,
    }


@pytest.mark.parametrize(
    ("path", "licence"),
    [
        ("src/activities/lang/resource/words_sample/cow.webp", "CC-BY-SA-3.0"),
        ("src/activities/erase/resource/bee.webp", "CC-BY-2.0"),  # stored in another format since
        ("src/activities/erase/resource/dog.webp", None),  # `*` is the package's own licence, not this picture's
    ],
)
def test_a_copyright_file_of_debian(path: str, licence: str | None) -> None:
    credit = matching_credit(path, debian_credits(COPYRIGHT, package="p"))
    assert (credit.licence if credit else None) == licence


def test_all_authors_of_a_copyright_file_are_named() -> None:
    credit = matching_credit("src/activities/erase/resource/cat.jpg", debian_credits(COPYRIGHT, package="p"))
    assert credit == Credit(package="p", author="2014, A, 2015, B", licence="CC-BY-2.0")


def test_a_composed_picture_has_the_terms_of_all_its_parts() -> None:
    free = Credit(package="a", author="A", licence="CC0-1.0")
    bound = Credit(package="b", author="B", licence="CC-BY-SA-4.0")
    both = joined("a", [free, bound, free])
    assert both == Credit(package="a", author="A; B", licence="CC0-1.0; CC-BY-SA-4.0")
    assert not both.is_permissive
    assert joined("a", [free, free]).is_permissive

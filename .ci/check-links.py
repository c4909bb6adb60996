"""Reads the names of Markdown files from standard input, one a line, and checks every link between files of the
repository: the file exists, and where the link names a section, so does the section. Links to the web are not
followed: a build must not depend on other people's servers."""

import pathlib
import re
import sys
import urllib.parse

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|!\[[^\]]*\]\(([^)\s]+)[^)]*\)|^\[[^\]]+\]:\s*(\S+)", re.M)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.M)


def prose(path: pathlib.Path) -> str:
    """The text without code blocks and code spans, where brackets mean something else."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", path.read_text(encoding="utf-8")))


def anchors(path: pathlib.Path) -> set[str]:
    """The names that GitHub gives to the headings of a file."""
    found: dict[str, int] = {}
    for heading in HEADING.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found[name] = found.get(name, -1) + 1
        if found[name]:
            found[f"{name}-{found[name]}"] = 0
    return set(found)


def main() -> int:
    wrong, seen = [], 0
    for name in sys.stdin.read().splitlines():
        source = pathlib.Path(name)
        if not source.is_file():
            continue
        for groups in LINK.findall(prose(source)):
            link = next(filter(None, groups))
            if re.match(r"[a-z][a-z0-9+.-]*:", link):
                continue
            seen += 1
            file, _, section = link.partition("#")
            target = source.parent / urllib.parse.unquote(file) if file else source
            if not target.exists():
                wrong.append(f"{source}: {link}: there is no {target}")
            elif section and target.suffix == ".md" and section not in anchors(target):
                wrong.append(f"{source}: {link}: {target} has no such section")
    print("\n".join(wrong) if wrong else f"    {seen} links")
    return 1 if wrong else 0


sys.exit(main())

"""`python -m tools.dictionary NUMBER FILE`: make a dictionary and write it.

With the same zstd it is the same each time.

The mirror reads `mirror/storage/dictionaries/NUMBER.zstd-dict`. `frames.DICTIONARY` says which one it writes with.
"""

import argparse
import sys
from pathlib import Path

from tools.dictionary.reviews import WEIGHTS, Sentences
from tools.dictionary.training import train

_SENTENCES = Path(__file__).parent / "sentences"


def read_sentences(folder: Path = _SENTENCES) -> Sentences:
    """Read, of each language, the sentences of reviews and of answers; one a line."""
    return {
        language: (_lines(folder / f"{language}.txt"), _lines(folder / f"{language}.replies.txt"))
        for language in WEIGHTS
    }


def _lines(path: Path) -> tuple[str, ...]:
    return tuple(path.read_text(encoding="utf-8").splitlines())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.dictionary", description=__doc__)
    parser.add_argument("number", type=int)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    options.file.write_bytes(train(read_sentences(), options.number))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The main job: the paper's retrieval benchmark, then real handwritten digits. Run by `make run`."""

import shlex
import time

import digits
import fig4


def main() -> None:
    started = time.perf_counter()
    print("1 of 2: the retrieval benchmark of Fig. 4, all memories on the whole grid of load × flips", flush=True)
    fig4.main()
    print("\n2 of 2: handwritten digits as memories", flush=True)
    digits.main()
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Look at the figures named above.")
    print("Next, see how slow the neurons should be:")
    print(f"  .venv/bin/astrojax run {shlex.join(digits.NEXT)}")


if __name__ == "__main__":
    main()

"""The main job: the paper's retrieval benchmark, then real handwritten digits. Run by `make run`."""

import time

import digits
import fig4


def main() -> None:
    started = time.perf_counter()
    print("1 of 2: the retrieval benchmark of Fig. 4, all memories on the whole grid of load × flips", flush=True)
    fig4.main()
    print("\n2 of 2: handwritten digits as memories", flush=True)
    digits.main()
    print(f"\nDone in {time.perf_counter() - started:.0f} s. Look at the figures named above. Next, try for instance")
    print("  .venv/bin/astrojax run configs/digits.yaml --models.tau_x\\ =\\ 10.temperature 0.1 --trials 50")


if __name__ == "__main__":
    main()

"""The page of a run folder, from plain data: what was found, what failed, with which settings, where, and how to repeat it."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from .figures import figures_of
from .page import Markdown, Page, escape
from .search import NAMES, figures_of_search, search_summary, sentences
from .tables import STATUSES, computed, distinct, mean_and_error, summary

NUM_SHOWN = 8
"""Values of an axis, and single trajectories, that a table of failures lists."""

MEANINGS = {
    "max_steps": "the horizon was not reached within retrieval.max_steps: raise that, or rtol and atol",
    "non_finite": "the query or the final state is not finite",
    "invalid_memory": "a parameter is not positive and finite, or the patterns are not finite",
    "solver_failed": "the solver gave up, such as in an implicit stage that did not converge",
    "invalid_settings": "the horizon or a tolerance is not positive and finite",
    "unconfirmed": "a tighter solution ends elsewhere: the trajectory passes close to a boundary between two basins",
}
"""What the statuses of failed trajectories mean, and what helps."""

HEADINGS = {
    "success": "perfect recalls (share)",
    "hamming_error": "Hamming error (neurons)",
    "overlap": "overlap",
    "perplexity": "perplexity (patterns)",
    "num_steps": "steps",
}
"""What is averaged over a whole run, and how it is called."""

KEEP = "The same configuration gives the same patterns, queries and results, whatever the chunks, devices and interruptions."


def run_page(
    folder: str, config: str, provenance: Mapping[str, Any], results: xr.Dataset, num_done: int, num_tasks: int
) -> Page:
    """The page of a run.

    Arguments:
        folder: its name. config: its configuration, YAML. provenance: where it came from.
        results: its dataset, in which what is not computed yet is NaN and has the status −1.
        num_done: how many tasks are done, of `num_tasks`.
    """
    page, content = Page(f"Run {folder}"), summary(results)
    total = content["trajectories"] + content["not_computed"]
    if num_done < num_tasks:
        page.text(
            f"**Unfinished**: {num_done:,} of {num_tasks:,} chunks are computed, {content['trajectories']:,} of {total:,} "
            f"trajectories. `astrojax run {shlex.quote(folder)}` continues it; all that follows is of what is there."
        )
    else:
        page.text(f"Finished: {content['trajectories']:,} trajectories, {_plural(sum(content['failed'].values()), 'failure')}.")
    page.text("## Results")
    if content["trajectories"]:
        _add_overview(page, results, content)
        _add_means(page, content)
        _add_figures(page, results)
    else:
        page.text("Nothing is computed yet.")
    page.text("## Failures")
    _add_failures(page, results, content)
    _add_under_way(page, content)
    _add_settings(page, config)
    _add_provenance(page, provenance, {key: results.attrs[key] for key in ("solver",) if key in results.attrs})
    page.text("## Repeat it")
    _add_commands(page, {
        "astrojax run config.yaml": "compute it again, from the settings above, saved as config.yaml",
        f"astrojax verify {shlex.quote(folder)}": "compute a random share of the trajectories again, and compare",
        f"astrojax show {shlex.quote(folder)}": "print the tables, draw the figures",
        f"astrojax export {shlex.quote(folder)} --format csv": "one row for each trajectory",
    })  # fmt: skip
    page.text(f"{KEEP} In Python: `astrojax.load({folder!r})` is an xarray dataset of")
    page.table(
        ["variable", "unit", "definition"],
        [
            [name, values.attrs.get("units", ""), values.attrs.get("definition", "")]
            for name, values in results.data_vars.items()
        ],
    )
    return page


def search_page(
    folder: str,
    config: str,
    provenance: Mapping[str, Any],
    parameters: Sequence[str],
    history: xr.Dataset | None,
    heldout: xr.Dataset | None,
    comparison: Mapping[str, Any],
    landscape: xr.DataArray | None,
    tuned: str | None,
) -> Page:
    """The page of a search.

    Arguments:
        folder: its name. config: its configuration, YAML. provenance: where it came from.
        parameters: single numbers that were searched.
        history, heldout, comparison, landscape: what it left, as far as it has come; see `SearchResults`.
        tuned: the configuration of a run with the best values, YAML.
    """
    page = Page(f"Search {folder}")
    if history is None or heldout is None:
        page.text(f"**Unfinished**: `astrojax tune {shlex.quote(folder)}` continues it.")
    else:
        _add_found(page, history, heldout, comparison, landscape, parameters)
    if history is not None:
        page.text("## On the way")
        _add_history(page, history)
    if tuned is not None:
        page.text(f"## Tuned configuration\n\n{_fenced(tuned)}")
    _add_settings(page, config)
    _add_provenance(page, provenance, {})
    page.text("## Repeat it")
    _add_commands(page, {
        "astrojax tune config.yaml": "search again, with the settings above, saved as config.yaml",
        f"astrojax run {shlex.quote(f'{folder}/tuned.yaml')}": "run with the values that were found",
        f"astrojax verify {shlex.quote(f'{folder}/heldout/tuned')}": "compute a share of the fresh problems again, and compare",
    })  # fmt: skip
    page.text(KEEP)
    return page


def _add_overview(page: Page, results: xr.Dataset, content: dict[str, Any]) -> None:
    names = [name for name in HEADINGS if name in results]
    rows = []
    for model in map(str, results.model.values):
        cells = []
        for name in names:
            values = computed(results[name].sel(model=model))
            # Steps are integers, −1 where none were taken yet; those of failed trajectories tell nothing of the others.
            cells.append(_pair(*mean_and_error(values.where(computed(results.status.sel(model=model)) == 0), [])))
        rows.append([model, *cells, f"{content['failed'][model]:,}", f"{content['unsettled'][model]:,}"])
    page.text("Means over everything, with standard errors; failed trajectories are left out.")
    headings = [HEADINGS[name] for name in names]
    page.table(["model", *headings, "failed", "still under way"], rows)


def _add_means(page: Page, content: dict[str, Any]) -> None:
    """Mean Hamming errors along the axes, as the terminal shows them, with standard errors."""
    tables = {name: (table["mean_hamming_error"], table["standard_error"]) for name, table in content["hamming_error"].items()}
    what = "Mean Hamming errors (neurons) with standard errors"
    match list(content["axes"].items()):
        case [(rows, row_values), (columns, values)]:
            page.text(f"{what}, {escape(rows)} down, {escape(columns)} across:")
            for name, (means, errors) in tables.items():
                page.text(f"### {escape(name)}")
                lines = zip(distinct(row_values), means, errors, strict=True)
                page.table(["", *distinct(values)], [[head, *map(_pair, line, spread)] for head, line, spread in lines])
        case [(columns, values)]:
            page.text(f"{what} along {escape(columns)}:")
            page.table(["", *distinct(values)], [[name, *map(_pair, *pair)] for name, pair in tables.items()])
    for axis, coordinates in content["zipped"].items():
        if coordinates:
            page.text(f"Along {escape(axis)}:")
            lines = zip(*coordinates.values(), strict=True)
            page.table([axis, *coordinates], [[place, *map(_short, line)] for place, line in enumerate(lines)])


def _add_figures(page: Page, results: xr.Dataset) -> None:
    figures = figures_of(results)
    if figures:
        page.text("### Figures")
    first, *others = map(str, results.model.values)
    captions = {
        "hamming_error": "Mean Hamming error of every model over two axes, beside the Bayes decoder's where it was run."
    }
    for other in others:
        captions[f"difference_{first}_{other}"] = (
            f"Mean Hamming error of {escape(first)} minus that of {escape(other)}, on the same problems: blue where the first "
            "is better, red where it is worse, pale where the difference is less than two standard errors."
        )
    for number, (name, figure) in enumerate(figures.items(), 1):
        along = f"Hamming error along {escape(name.removeprefix('along_'))}: means, and bands between the quartiles."
        page.figure(_figure_name(number, name), figure, captions.get(name, along))


def _add_failures(page: Page, results: xr.Dataset, content: dict[str, Any]) -> None:
    if not any(content["failed"].values()):
        page.text("No trajectory failed.")
        return
    page.text("Failed trajectories are NaN in the results, and left out of all means.")
    rows = []
    for model, reasons in content["failures"].items():
        number = _number_computed(computed(results.status.sel(model=model)))
        rows += [[model, reason, f"{count:,}", f"{count / number:.2%}", MEANINGS[reason]] for reason, count in reasons.items()]
    page.table(["model", "status", "trajectories", "share", "meaning"], rows)
    for model, count in content["failed"].items():
        if count:
            status = computed(results.status.sel(model=model))
            page.text(f"### {escape(model)}: where")
            _add_places(page, status)


def _add_places(page: Page, status: xr.DataArray) -> None:
    """Where trajectories of one model failed: by value along each axis, and the first of them one by one."""
    values, dims = status.values, [str(dim) for dim in status.dims]
    rows = []
    for place, dim in enumerate(dims):
        if dim == "trial" or values.shape[place] < 2:
            continue
        others = tuple(other for other in range(values.ndim) if other != place)
        failed, total = (values > 0).sum(axis=others), (values >= 0).sum(axis=others)
        for at in sorted(np.argsort(-failed, kind="stable")[:NUM_SHOWN].tolist()):
            if failed[at]:
                rows.append([dim, _at(status, dim, at), f"{failed[at]:,} of {total[at]:,}"])
    if rows:
        page.text(f"By value along each axis; of an axis at most {NUM_SHOWN} values, those with most failures.")
        page.table(["axis", "value", "failed"], rows)
    first = np.argwhere(values > 0)[:NUM_SHOWN]
    page.text(f"The first {len(first)}, by coordinates:" if len(first) > 1 else "Its coordinates:")
    page.table(
        ["status", *dims],
        [
            [STATUSES[values[tuple(at)]], *(_at(status, dim, one) for dim, one in zip(dims, at, strict=True))]
            for at in first.tolist()
        ],
    )


def _add_under_way(page: Page, content: dict[str, Any]) -> None:
    page.text("## Recalls still under way")
    counts = {name: count for name, count in content["unsettled"].items() if count}
    if not counts:
        page.text("None: at the horizon no neuron is driven towards the other sign.")
        return
    listed = ", ".join(f"{escape(name)} {count:,}" for name, count in counts.items())
    page.text(
        f"At the horizon neurons are still driven towards the other sign: {listed}. A longer `retrieval.t1` changes what these "
        "recall."
    )


def _add_settings(page: Page, config: str) -> None:
    page.text(f"## Settings\n\nThe whole configuration, every value that was used:\n\n{_fenced(config)}")


def _add_provenance(page: Page, provenance: Mapping[str, Any], more: Mapping[str, Any]) -> None:
    """Where it came from; what is not known is left out."""
    page.text("## Provenance")
    commit = provenance.get("commit") or {}
    clean = "" if commit.get("clean", True) else " with changes that were not committed"
    known = {
        "started": provenance.get("started"),
        "seed": provenance.get("seed"),
        "precision": provenance.get("precision"),
        **more,
        "device": ", ".join(map(str, provenance.get("devices", []))),
        "backend": provenance.get("backend"),
        "platform": provenance.get("platform"),
        "commit": f"{commit['id']}{clean}" if "id" in commit else None,
        "SHA-256 of the configuration": provenance.get("config_sha256"),
        "SHA-256 of the pattern file": provenance.get("pattern_file_sha256"),
        "python": provenance.get("python"),
        "packages": ", ".join(f"{name} {version}" for name, version in provenance.get("versions", {}).items() if version),
    }
    page.table(["", "value"], [[name, _code(value)] for name, value in known.items() if value not in (None, "")])
    sessions = provenance.get("sessions", [])
    if not sessions:
        return
    page.text("### Sessions\n\nSeconds by part, summed over what ran side by side; a program is compiled once.")
    rows = []
    for number, session in enumerate(sessions, 1):
        seconds = session.get("seconds", {})
        begun, lasted = session.get("started", ""), _seconds(seconds.get("wall_clock"))
        rows.append([f"{number}: {begun}", "in all", lasted, *[""] * 4])
        for name, part in seconds.get("parts", {}).items():
            times = [_seconds(part.get(kind)) for kind in ("compiling", "running")]
            counts = [f"{part.get(kind, 0):,}" for kind in ("programs", "trajectories")]
            rows.append(["", name, "", *times, *counts])
    page.table(["session", "part", "wall clock", "compiling", "running", "programs", "trajectories"], rows)


def _add_found(
    page: Page,
    history: xr.Dataset,
    heldout: xr.Dataset,
    comparison: Mapping[str, Any],
    landscape: xr.DataArray | None,
    parameters: Sequence[str],
) -> None:
    content = search_summary(history, heldout, parameters)
    best = content["best"]
    page.text("Finished.\n\n" + "\n".join(f"- {escape(sentence)}" for sentence in sentences(content)))
    page.text("## Values")
    begun = history.sel(score=best["score"]).isel(start=best["start"], step=0)
    page.table(
        ["parameter", "at the start", "tuned"],
        [[name, f"{float(begun[name]):.4g}", f"{value:.4g}"] for name, value in best["values"].items()],
    )
    page.text("## On fresh problems\n\nWith 95% intervals, over all loads and levels.")
    rows = []
    for name, row in content["errors"].items():
        share, low, high = row["perfect"]
        mean = "–" if row["hamming_error"][0] is None else "{:.3f} [{:.3f}, {:.3f}]".format(*row["hamming_error"])
        rows.append(
            [NAMES.get(name, name), f"{share:.1%} [{low:.1%}, {high:.1%}]", mean, f"{row['problems']:,}", f"{row['failed']:,}"]
        )
    page.table(["", "perfect recalls", "mean Hamming error (neurons)", "problems", "failed"], rows)
    if comparison:
        page.text("## Other searches\n\nWhat they found, for no more trajectories than the search by gradients.")
        names = list(next(iter(comparison.values())).get("values", {}))
        page.table(
            ["method", *names, "candidates", "trajectories"],
            [
                [
                    NAMES.get(method, method),
                    *(_short(found["values"].get(name)) for name in names),
                    f"{found.get('candidates', 0):,}",
                    f"{found.get('trajectories', 0):,}",
                ]
                for method, found in comparison.items()
            ],
        )
    captions = {
        "search": "The loss, and each parameter, along the steps: a line for each start, a colour for each score.",
        "landscape": "The loss on a plane of two parameters, the others at their best, and the way over it.",
        "before_and_after": "Hamming errors on fresh problems.",
        "difference": "Tuned minus start on the same problems: blue where tuning helped, pale where that is not certain.",
    }
    page.text("## Figures")
    figures = figures_of_search(history, heldout, landscape, parameters)
    for number, (name, figure) in enumerate(figures.items(), 1):
        page.figure(_figure_name(number, name), figure, captions[name])


def _add_history(page: Page, history: xr.Dataset) -> None:
    """Of every start of every score: its steps, its first loss, and where its held-out loss was lowest."""
    rows = []
    for score in map(str, history.score.values):
        for start in range(history.sizes["start"]):
            line = history.sel(score=score).isel(start=start)
            losses = line.validation_loss.values
            if not np.isfinite(losses).any():
                continue
            at = int(np.nanargmin(losses))
            values = [f"{float(line[name][at]):.4g}" for name in ("validation_loss", "validation_error")]
            steps = int(np.flatnonzero(np.isfinite(line.gradient_norm.values)).max(initial=0))
            rows.append([score, start, steps, f"{losses[0]:.4g}", at, *values, f"{float(line.validation_success[at]):.1%}"])
    headings = [
        "score",
        "start",
        "steps",
        "loss at the start",
        "best step",
        "loss there",
        "Hamming error there",
        "perfect there",
    ]
    page.table(headings, rows)
    dropped = {name: int(np.nansum(history[f"num_{name}"].values)) for name in ("clipped", "non_finite", "failed")}
    page.text(
        f"All on the problems that choose. Gradients of single problems: {dropped['clipped']:,} clipped; "
        f"left out {dropped['non_finite']:,} that were not finite, and {dropped['failed']:,} of failed trajectories."
    )


def _add_commands(page: Page, commands: Mapping[str, str]) -> None:
    page.table(["command", "what it does"], [[_code(command), meaning] for command, meaning in commands.items()])


def _at(status: xr.DataArray, dim: str, place: int) -> str:
    """The coordinate of a place along an axis, or those that are zipped there."""
    zipped = {str(name): values for name, values in status.coords.items() if name != dim and values.dims == (dim,)}
    named = ", ".join(f"{name} {_short(values.values[place])}" for name, values in sorted(zipped.items()))
    return named or _short(status[dim].values[place])


def _number_computed(status: xr.DataArray) -> int:
    return max(int((status.values >= 0).sum()), 1)


def _fenced(text: str) -> str:
    return f"~~~~~yaml\n{text.strip()}\n~~~~~"


def _code(value: object) -> Markdown:
    """Anything as code in a cell; a backtick ends no code."""
    text = " ".join(str(value).split())
    fence = "``" if "`" in text else "`"
    return Markdown(f"{fence}{text}{fence}")


def _figure_name(number: int, name: str) -> str:
    return f"{number}-" + "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)


def _pair(mean: Any, error: Any) -> str:
    """A mean and its standard error; a dash for a mean of nothing."""
    values = [None if value is None else float(value) for value in (mean, error)]
    if values[0] is None or np.isnan(values[0]):
        return "–"
    spread = "" if values[1] is None or np.isnan(values[1]) else f" ± {values[1]:.2g}"
    return f"{values[0]:.3g}{spread}"


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float | int | np.number) else json.dumps(value)


def _seconds(value: Any) -> str:
    return f"{value:.1f} s" if isinstance(value, float | int) else ""


def _plural(number: int, name: str) -> str:
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"

"""What can be wrong between the book's equations, their checks and the code: one sentence each."""
from __future__ import annotations

import re
from collections import Counter, defaultdict

from equations_scan import CHAPTERS, LABEL, REGISTRY, Scan

_CJK = re.compile(r"[\u4e00-\u9fff]")


def _on_labels(s: Scan) -> list[str]:
    out = [f"{e}: a displayed equation has no label; end it with $$ (eq-<chapter>-<name>): {e.latex.strip()[:60]!r}"
           for e in s.equations if not e.label]
    places = defaultdict(list)
    for e in s.equations:
        if e.label:
            places[e.label].append(e)
    for label, found in places.items():
        if len(found) > 1:
            out.append(f"{label}: the label is used {len(found)} times: {'; '.join(map(str, found))}")
        if not LABEL.fullmatch(label):
            out.append(f"{found[0]}: the label {label} is not of the form eq-<chapter>-<name>")
        elif label.split("-")[1] not in CHAPTERS:
            out.append(f"{found[0]}: {label} names no chapter; chapters are {', '.join(CHAPTERS)}")
    return out


def _on_checks(s: Scan) -> list[str]:
    out = []
    for label in sorted(s.labels):
        if not s.checks_of(label) and not s.definition_of(label):
            out.append(f"{label}: no test checks it; mark one with @pytest.mark.equation({label!r}), or give "
                       f"in {REGISTRY} the reason why this definition needs none")
        reason = s.definition_of(label)
        if reason and not (reason.get("en") and _CJK.search(reason.get("zh", ""))):
            out.append(f"{label}: its reason in {REGISTRY} must stand in both languages, definition.en and definition.zh")
    for check in s.checks:
        if check.fault:
            out.append(f"{check}: the equation mark {check.fault}")
        if check.label and check.label not in s.labels:
            out.append(f"{check}: {check.name} checks {check.label}, which the book does not display")
    return out


def _on_code(s: Scan) -> list[str]:
    out = [f"{m}: the mark # {m.label} {m.fault}" for m in s.code if m.fault]
    return out + [f"{m}: {m.name or 'the module'} names {m.label}, which the book does not display"
                  for m in s.code + s.mentions if m.label not in s.labels]


def _on_registry(s: Scan) -> list[str]:
    out = [f"{REGISTRY}: {label} is in the registry, but the book does not display it; delete the entry"
           for label in s.registry if label not in s.labels]
    for e in s.equations:
        known = s.registry.get(e.label, {}).get("sha")
        command = f"see that its check still holds, then run: python -m tools.equations confirm {e.label}"
        if e.label and not known:
            out.append(f"{e}: {e.label} has never been confirmed; {command}")
        elif e.label and known != e.sha:
            out.append(f"{e}: {e.label} has changed since its check was last confirmed; {command}")
    return out


def problems(s: Scan) -> list[str]:
    found = _on_labels(s) + _on_checks(s) + _on_code(s) + _on_registry(s)
    return list(Counter(found))     # each once, in order

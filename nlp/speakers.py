"""What speaks for each candidate speaker of a unit: names, relations and neighbours turned into features. No input or output.

The weights that decide between the candidates are trained (`nlp.weights`).
"""

from db.models import AUTHOR
from nlp.expressions import strength, unnamed_group_speaks
from nlp.scene import FIRST_PERSON, SECOND_PERSON, Features, Scene, ranked


def speaker_features(scene: Scene, number: int) -> dict[str, Features]:
    """For each candidate speaker of a unit (party key, or AUTHOR) the features that speak for and against it."""
    rows: dict[str, Features] = {}
    unit = scene.units[number]
    strongest = max((strength(e.relation) for e in scene.expressions[number]), default=0)
    for expression in scene.expressions[number]:
        rel = expression.relation
        if expression.party is not None:
            row = rows.setdefault(expression.party, {})
            row[f"name:{rel}"] = 1.0
            row["top"] = max(row.get("top", 0.0), float(strength(rel) == strongest and strongest > 0))
            continue
        group = "S" if strength(rel) >= 3 else "R" if strength(rel) >= 1 else "O"
        for rank, key in enumerate(ranked(scene, expression)[:3]):
            row = rows.setdefault(key, {})
            row[
                f"{'pronoun' if len(expression.form) < 5 and expression.form != 'it' else expression.form}:{group}:{rank}"
            ] = 1.0
            if rank == 0:
                row["top"] = max(row.get("top", 0.0), float(strength(rel) == strongest and strongest > 0))
    for step, label in ((-1, "before"), (1, "after"), (-2, "before2"), (2, "after2")):
        other = number + step
        if not 0 <= other < len(scene.units):
            continue
        near = scene.units[other].paragraph == unit.paragraph
        key_or_none = scene.focus[other]
        if key_or_none is None:
            continue
        power = max((strength(e.relation) for e in scene.expressions[other]), default=0)
        row = rows.setdefault(key_or_none, {})
        row[f"{label}{'' if near else ':far'}"] = 1.0
        if power >= 3:
            row[f"{label}:strong"] = 1.0
        if strongest < 2:
            row[f"{label}:open"] = 1.0
        if scene.quoted[number] > 0.6:
            row[f"{label}:quoted"] = 1.0
            if scene.quoted[other] > 0.3:
                row[f"{label}:quoted_too"] = 1.0
    if scene.focus[number] is not None:
        rows.setdefault(scene.focus[number] or "", {})["focus"] = 1.0
    for key, row in rows.items():
        party = scene.parties[key]
        kind = "group" if party.type in ("company", "organisation", "government", "publication") else party.type
        row[f"type:{kind}"] = 1.0
        row["once"] = float(len(party.spans) == 1)
        for relation_name in ("poss", "other"):
            if row.get(f"name:{relation_name}"):
                row[f"{relation_name}:{kind}"] = 1.0
    outside = scene.text[unit.start : unit.end] if scene.quoted[number] < 0.05 else ""
    own = {f"A:{name}": value for name, value in scene.opinion.items()}
    own |= {
        "A": 1.0,
        "A:i": float(bool(FIRST_PERSON.search(outside))),
        "A:you": float(bool(SECOND_PERSON.search(outside))),
        "A:none_else": float(strongest == 0),
        "A:weak_else": float(0 < strongest < 3),
        "A:strong_else": float(strongest >= 3),
        "A:group": float(unnamed_group_speaks(scene.doc, unit)),
        "A:label": float(unit.label is not None),
        "A:quoted": float(scene.quoted[number] > 0.6),
        "A:focus": float(scene.focus[number] is not None),
    }
    for name in ("author", "author_and_first", "post"):
        own[f"A:{name}:strong"] = scene.opinion[name] * float(strongest >= 3)
        own[f"A:{name}:i"] = scene.opinion[name] * own["A:i"]
        own[f"A:{name}:none"] = scene.opinion[name] * own["A:none_else"]
        own[f"A:{name}:weak"] = scene.opinion[name] * own["A:weak_else"]
    rows[AUTHOR] = {name: value for name, value in own.items() if value}
    return rows

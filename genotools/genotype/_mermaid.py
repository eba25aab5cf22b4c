"""Pictures as Mermaid flowcharts inside Markdown, which GitHub and many editors draw by themselves.

Mermaid has no ports, so here an op is the label of its arrow, and the arrow has the op's colour.
"""

import re
from collections.abc import Sequence

from genotools.genotype._pictures import Arrow, Box, Picture

__all__ = ["pictures_to_mermaid"]

CLASSES = {
    "input": "fill:#1f2937,stroke:#1f2937,color:#ffffff",
    "output": "fill:#7c2d4f,stroke:#7c2d4f,color:#ffffff",
    "node": "fill:#f4f5f7,stroke:#9aa3b0,color:#1f2937",
    "frame": "fill:#ffffff,stroke:#6b7280,color:#1f2937",
    "normal": "fill:#dbeafe,stroke:#6b8fc9,color:#1f2937",
    "reduce": "fill:#fde8cd,stroke:#cf9a52,color:#1f2937",
    "recurrent": "fill:#e0f2e4,stroke:#6fae80,color:#1f2937",
}
QUIET = "stroke:#aab2bd,stroke-width:1px"


def pictures_to_mermaid(pictures: Sequence[Picture], *, title: str) -> str:
    """Return a Markdown document with one flowchart; each picture is a subgraph of it."""
    lines = ["flowchart TB"]
    styles: list[str] = []
    for picture in pictures:
        direction = "LR" if picture.is_horizontal else "TB"
        lines += [f'subgraph {picture.name}["{_escaped(picture.title)}"]', f"  direction {direction}"]
        lines += [f"  {_box(box, picture)}" for box in picture.boxes]
        chips = {box.name: box.chips for box in picture.boxes}
        for arrow in picture.arrows:
            chip = chips[arrow.target][arrow.chip] if arrow.chip is not None else None
            lines.append(f"  {_arrow(arrow, picture, chip.text if chip else None)}")
            if chip or arrow.is_quiet:
                styles.append(QUIET if chip is None else f"stroke:{chip.colour},stroke-width:3px")
            else:
                styles.append("")
        lines.append("end")
    used = {box.role for picture in pictures for box in picture.boxes}
    lines += [f"classDef {role}Box {style}" for role, style in CLASSES.items() if role in used]
    lines += [f"linkStyle {index} {style}" for index, style in enumerate(styles) if style]
    return "\n".join([f"## {title}", "", "```mermaid", *lines, "```", ""])


def _box(box: Box, picture: Picture) -> str:
    text = "<br>".join(_escaped(line) for line in box.lines)
    return f'{picture.name}_{box.name}("{text}"):::{box.role}Box'


def _arrow(arrow: Arrow, picture: Picture, text: str | None) -> str:
    label = f'|"{_escaped(text)}"|' if text else ""
    return f"{picture.name}_{arrow.source} -->{label} {picture.name}_{arrow.target}"


def _escaped(text: str) -> str:
    """Return ``text`` with everything that Mermaid, HTML or Markdown might read as its own as ``#code;``."""
    return re.sub(r"[^\w .,:/=+×−()-]", lambda match: f"#{ord(match[0])};", " ".join(text.split()))

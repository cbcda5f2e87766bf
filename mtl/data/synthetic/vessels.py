"""The kinds of vessel and what one of them is painted like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mtl.data.synthetic.solids import DECK, TOP, UPPER, Colour, Solid

HULL_COLOURS: tuple[Colour, ...] = (
    (196, 34, 30),
    (24, 36, 92),
    (238, 120, 20),
    (240, 240, 236),
    (22, 24, 28),
    (22, 110, 62),
    (242, 200, 30),
    (120, 20, 60),
    (20, 140, 150),
    (140, 84, 40),
)
"""Paints a person tells apart at a glance."""

CARGO_COLOURS: tuple[Colour, ...] = (
    (200, 60, 40),
    (40, 90, 170),
    (60, 140, 70),
    (230, 150, 40),
    (150, 60, 120),
    (220, 220, 215),
    (110, 70, 45),
)
WHITE: Colour = (242, 242, 238)
CREAM: Colour = (232, 214, 170)
BLACK: Colour = (28, 28, 32)
STEEL: Colour = (120, 126, 132)
WINDOW: Colour = (44, 56, 68)
LIT_WINDOW: Colour = (255, 232, 150)


@dataclass(frozen=True)
class Look:
    """What one vessel of a kind looks like."""

    kind: str
    hull: Colour
    """Starboard side, seen when the vessel heads right."""
    port: Colour
    """Port side; another paint than starboard only where a change of appearance is wanted."""
    accent: Colour
    house: Colour
    cargo: tuple[int, ...]
    """Choices for cargo and details, any length."""
    lit: bool = False
    """Deck lights and windows are on."""
    sails: bool = True
    """Sails are set (sailing boat only)."""

    @property
    def window(self) -> Colour:
        """Colour of the windows."""
        return LIT_WINDOW if self.lit else WINDOW


def draw_look(rng: np.random.Generator, kind: str, avoid: Colour | None = None) -> Look:
    """Paint a vessel at random, its hull unlike `avoid`."""
    hulls = [c for c in HULL_COLOURS if c != avoid]
    if kind == "buoy":
        hulls = [c for c in hulls if max(c) > 100 and c != WHITE]
    hull = hulls[int(rng.integers(len(hulls)))]
    accents = [c for c in HULL_COLOURS if c != hull]
    accent = accents[int(rng.integers(len(accents)))]
    house = (WHITE, WHITE, CREAM)[int(rng.integers(3))]
    cargo = tuple(int(v) for v in rng.integers(0, 64, size=24))
    return Look(kind, hull, hull, accent, house, cargo)


def other_side(look: Look, rng: np.random.Generator) -> Look:
    """The same vessel with its port side in a paint far from the starboard one."""
    distances = np.array([np.abs(np.subtract(c, look.hull)).sum() for c in HULL_COLOURS])
    far = np.argsort(distances)[-4:]
    return replace(look, port=HULL_COLOURS[int(rng.choice(far))])


def _container_ship(look: Look) -> Solid:
    solid = Solid()
    solid.hull(1.0, 0.2, 0.13, look.hull, look.port, (120, 30, 28), STEEL, bow_rise=0.5)
    bays = 5
    for bay in range(bays):
        x0 = -0.2 + bay * 0.12
        for row in range(2):
            tiers = 2 + look.cargo[bay * 2 + row] % 2
            for tier in range(tiers):
                tint = CARGO_COLOURS[look.cargo[(bay * 5 + row * 3 + tier) % 24] % 7]
                z0 = 0.14 + tier * 0.065
                y0 = -0.09 + row * 0.09
                solid.block(
                    DECK + (tier > 0), (x0, x0 + 0.108), (y0, y0 + 0.086), (z0, z0 + 0.06), tint
                )
    solid.block(
        UPPER, (-0.38, -0.25), (-0.085, 0.085), (0.12, 0.43), look.house, 5, look.window, look.lit
    )
    solid.block(TOP, (-0.46, -0.4), (-0.04, 0.04), (0.12, 0.4), look.accent)
    solid.lamps += [(x, 0.0, 0.4) for x in (-0.1, 0.1, 0.3)] + [(0.45, 0, 0.25)]
    return solid


def _tug(look: Look) -> Solid:
    solid = Solid()
    solid.hull(0.8, 0.3, 0.14, look.hull, look.port, BLACK, (110, 80, 60), bow_rise=0.8)
    solid.block(DECK, (-0.1, 0.2), (-0.1, 0.1), (0.13, 0.27), look.house, 1, look.window, look.lit)
    solid.block(
        UPPER, (-0.02, 0.17), (-0.085, 0.085), (0.27, 0.4), look.house, 1, look.window, look.lit
    )
    solid.block(TOP, (-0.03, 0.18), (-0.09, 0.09), (0.4, 0.42), look.accent)
    solid.prism(UPPER, (-0.16, 0.0), (0.13, 0.42), (0.05, 0.045), look.accent, 8)
    solid.prism(TOP, (-0.16, 0.0), (0.42, 0.46), (0.047, 0.045), BLACK, 8)
    solid.prism(TOP, (0.06, 0.0), (0.42, 0.58), (0.022, 0.018), STEEL, 4)
    solid.lamps += [(0.06, 0, 0.58), (-0.3, 0, 0.22), (0.3, 0, 0.28), (-0.16, 0, 0.46)]
    return solid


def _sailing_boat(look: Look) -> Solid:
    solid = Solid()
    solid.hull(0.7, 0.2, 0.08, look.hull, look.port, BLACK, CREAM, bow_rise=0.5)
    solid.block(
        DECK, (-0.15, 0.12), (-0.06, 0.06), (0.08, 0.125), look.house, 1, look.window, look.lit
    )
    solid.prism(UPPER, (0.06, 0.0), (0.08, 0.98), (0.022, 0.016), (190, 180, 160), 4)
    if look.sails:
        out = 0.45  # sheeted out, so that the sail is seen from ahead too
        cloth = WHITE if look.cargo[0] % 3 else look.accent
        boom = (0.04 - 0.36, -out * 0.36)
        solid.sheet(TOP, [[0.04, 0, 0.16], [*boom, 0.16], [0.04, 0, 0.95]], cloth)
        jib = look.accent if look.cargo[1] % 2 else WHITE
        solid.sheet(TOP, [[0.34, 0, 0.13], [0.08, -0.07, 0.15], [0.08, 0, 0.84]], jib)
    else:
        solid.block(TOP, (-0.3, 0.05), (-0.025, 0.025), (0.15, 0.21), look.accent)
    solid.lamps += [(0.06, 0, 0.97), (0.06, 0, 0.55), (-0.28, 0, 0.16), (0.3, 0, 0.17)]
    return solid


def _speed_boat(look: Look) -> Solid:
    solid = Solid()
    solid.hull(0.8, 0.26, 0.15, look.hull, look.port, look.accent, CREAM, bow_rise=0.55)
    solid.block(
        DECK, (-0.12, 0.14), (-0.1, 0.1), (0.15, 0.26), look.house, 1, look.window, look.lit
    )
    solid.block(UPPER, (-0.17, 0.11), (-0.11, 0.11), (0.26, 0.3), look.accent)
    solid.prism(TOP, (-0.13, 0.0), (0.3, 0.42), (0.018, 0.014), STEEL, 4)
    solid.block(TOP, (-0.44, -0.38), (-0.05, 0.05), (0.08, 0.24), BLACK)
    solid.lamps += [(-0.13, 0, 0.42), (0.3, 0, 0.24), (-0.3, 0, 0.2)]
    return solid


def _fishing_boat(look: Look) -> Solid:
    solid = Solid()
    solid.hull(
        0.85, 0.27, 0.15, look.hull, look.port, BLACK, (150, 110, 70), bow_rise=0.9, stern_rise=0.25
    )
    solid.block(
        DECK, (0.02, 0.22), (-0.09, 0.09), (0.15, 0.38), look.house, 2, look.window, look.lit
    )
    solid.block(UPPER, (0.01, 0.24), (-0.1, 0.1), (0.38, 0.4), look.accent)
    solid.prism(UPPER, (-0.14, 0.0), (0.14, 0.66), (0.024, 0.018), (210, 190, 120), 4)
    solid.sheet(
        TOP,
        [[-0.14, 0.0, 0.62], [-0.4, 0.02, 0.42], [-0.4, 0.02, 0.39], [-0.14, 0.0, 0.58]],
        (210, 190, 120),
    )
    net = CARGO_COLOURS[look.cargo[0] % 4]
    solid.block(DECK, (-0.34, -0.18), (-0.08, 0.08), (0.15, 0.23), net)
    solid.lamps += [(-0.14, 0, 0.66), (-0.4, 0, 0.42), (0.12, 0, 0.41), (0.36, 0, 0.3)]
    return solid


def _ferry(look: Look) -> Solid:
    solid = Solid()
    solid.hull(1.0, 0.24, 0.13, look.hull, look.port, BLACK, STEEL, bow_rise=0.35)
    solid.block(
        DECK, (-0.44, 0.32), (-0.105, 0.105), (0.13, 0.25), look.house, 2, look.window, look.lit
    )
    solid.block(
        UPPER, (-0.36, 0.24), (-0.09, 0.09), (0.25, 0.33), look.house, 1, look.window, look.lit
    )
    solid.block(TOP, (0.08, 0.22), (-0.1, 0.1), (0.33, 0.39), look.house, 1, look.window, look.lit)
    solid.block(TOP, (-0.26, -0.12), (-0.05, 0.05), (0.33, 0.46), look.accent)
    solid.lamps += [(x, 0, 0.36) for x in (-0.34, -0.02, 0.2)] + [(0.42, 0, 0.2)]
    return solid


def _buoy(look: Look) -> Solid:
    solid = Solid()
    solid.prism(DECK, (0, 0), (0.0, 0.06), (0.25, 0.29), BLACK, 10)
    solid.prism(DECK, (0, 0), (0.06, 0.22), (0.29, 0.27), look.hull, 10)
    solid.prism(UPPER, (0, 0), (0.22, 0.46), (0.17, 0.13), look.hull, 4)
    solid.prism(UPPER, (0, 0), (0.46, 0.6), (0.13, 0.11), WHITE if look.hull != WHITE else BLACK, 4)
    solid.prism(UPPER, (0, 0), (0.6, 0.78), (0.11, 0.08), look.hull, 4)
    solid.prism(TOP, (0, 0), (0.8, 1.0), (0.12, 0.03), look.accent, 8)
    solid.lamps += [(0, 0, 0.98), (0, 0, 0.7), (0.1, 0, 0.4), (-0.1, 0, 0.4)]
    return solid


BUILDERS: dict[str, Callable[[Look], Solid]] = {
    "container_ship": _container_ship,
    "sailing_boat": _sailing_boat,
    "tug": _tug,
    "speed_boat": _speed_boat,
    "fishing_boat": _fishing_boat,
    "ferry": _ferry,
    "buoy": _buoy,
}
KINDS = tuple(BUILDERS)
"""Names of the kinds, in the order in which they take turns."""


def build_vessel(look: Look) -> Solid:
    """Put the solid of a look together."""
    return BUILDERS[look.kind](look)

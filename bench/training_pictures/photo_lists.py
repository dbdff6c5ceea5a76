"""The photographs among the packages' pictures, chosen by eye: no drawings, no renderings, no paintings, no text.

By package: patterns of paths' ends, with the author and the licence that the package records for them.
"""

from bench.permissive_pictures import PHOTOS as PERMISSIVE_PHOTOS

_BOLLY = '"Bolly"'
_MATE = "MATE backgrounds' authors"
PACKAGED: dict[str, dict[str, tuple[str, str]]] = {
    "lomiri-wallpapers-16.04": {
        **PERMISSIVE_PHOTOS["lomiri-wallpapers-16.04"],
        "Bridge_by*": ("Sander Klootwijk", "CC-BY-SA-4.0"),
        "Dragonfly_by*": (_BOLLY, "CC-BY-SA-4.0"),
        "free_by* greentock_by*": ("Peter Nerlich", "CC-BY-SA-4.0"),
    },
    "lomiri-wallpapers-20.04": {"Kleiber_by*": ("Lukas Baubkus", "CC-BY-SA-3.0")},
    "lxqt-themes": {
        "Butterfly-Kenneth-Wimer.* Valendas.* after-the-rain.* appleflower.* beam.* butterfly.* cloud.* drop.* "
        "flowers.* fog.* this-is-not-windows.*": ("Razor team", "LGPL-2.1+"),
    },
    "mate-backgrounds": {
        "nature/Aqua.* nature/TwoWings.*": ("Charles Barbin", "GPL-2+"),
        "nature/Blinds.*": ("Lennart Poettering", "GPL-2+"),
        "nature/Dune.*": ("Marco Cogoni", "GPL-2+"),
        "nature/FreshFlower.*": ("Jens Ansorg", "GPL-2+"),
        "nature/GreenMeadow.*": ("Timothy Schellhase", "GPL-2+"),
        "nature/RainDrops.*": ('"blackcombwhistler07"', "GPL-2+"),
        "nature/Storm.*": ("Sergey Nazarov", "GPL-2+"),
        "nature/Garden.* nature/LadyBird.* nature/YellowFlower.*": (_MATE, "GPL-2+"),
    },
    "plasma-workspace-wallpapers": {
        "BytheWater/contents/images/2560x1600.*": ("Maciej Wiklo", "LGPL-3.0"),
        "ColorfulCups/contents/images/2560x1600.*": ("Dmitri Popov", "LGPL-3.0"),
        "EveningGlow/contents/images/2560x1600.*": ("Ian Hex", "LGPL-3.0"),
        "FallenLeaf/contents/images/2560x1600.*": ("Martin Klapetek", "LGPL-3.0"),
        "ColdRipple/contents/images/2560x1600.* DarkestHour/contents/images/2560x1600.* "
        "Kite/contents/images/2560x1600.* OneStandsOut/contents/images/2560x1600.* "
        "Path/contents/images/2560x1600.* summer_1am/contents/images/2560x1600.*": ("Risto Saukonpää", "LGPL-3.0"),
    },
    "palapeli-data": {
        **PERMISSIVE_PHOTOS["palapeli-data"],
        "collection/castle-maintenon.jpg collection/panther-chameleon-female.jpg": ("Palapeli's authors", "GPL-2+"),
    },
    **{
        package: PERMISSIVE_PHOTOS[package]
        for package in ("python3-sklearn", "python3-skimage", "python-matplotlib-data", "renpy-demo")
    },
    # Under water: every second, so that there are not too many of them.
    "krank": {
        "level-01.jpg level-03.jpg level-05.jpg level-07.jpg level-09.jpg level-11.jpg level-13.jpg level-15.jpg "
        "level-17.jpg level-19.jpg level-21.jpg level-23.jpg level-25.jpg level-27.jpg level-29.jpg": (
            "Slava Anishenko",
            "public domain",
        ),
    },
}

GCOMPRIS = (
    "categorization/images/fishes",
    "categorization/images/monuments",
    "categorization/images/others",
    "categorization/images/renewable",
    "categorization/images/tools",
    "details/image",
    "clickgame",
    "erase",
    "explore_farm_animals/animals",
    "explore_monuments",
    "explore_world_animals/animals",
    "explore_world_music/music",
    "louis-braille",
)
"""The folders of GCompris that hold photos as WebP files."""
NO_PHOTOS = (
    "categorization/images/others/volleyball.webp categorization/images/others/blackslate.webp "
    "categorization/images/fishes/fish1.webp categorization/images/fishes/fish17.webp "
    "categorization/images/tools/cuttingTool* categorization/images/tools/hammer[2589].webp "
    "categorization/images/tools/measuringTape[1-4]* categorization/images/tools/multimeter* "
    "categorization/images/tools/plier[1-3]* categorization/images/tools/scissors[14]* "
    "categorization/images/tools/screwDriver3* categorization/images/tools/spray* "
    "categorization/images/tools/tweezer1* categorization/images/tools/wrench.webp "
    "details/image/*_[0-9].webp details/image/*[vV]an[_-]*ogh* details/image/VincentVanGogh* details/image/Gogh* "
    "details/image/Eglise* details/image/*Tanguy* "
    "clickgame/[!s]* clickgame/shark* clickgame/six* "
    "erase/texture* "
    "louis-braille/[!flmstw]* louis-braille/louis*"
)
"""Patterns of those in GCOMPRIS that are none: cut-outs, details of others, paintings, drawings, text, and
things on plain white, of which there would be too many."""

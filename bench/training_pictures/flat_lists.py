"""Which drawings are scenes and which are figures before them, chosen by eye: no letters, boards, buttons.

By activity (GCompris's resource file) or by folder the drawings' names without their ending.
"""

LAND = {
    "algorithm": "desert_scene",
    "align4_2players": "background",
    "ballcatch": "beach1 beach2 beach3 beach4",
    "bargame": "background",
    "braille_alphabets": "background",
    "braille_fun": "hillside",
    "categorization": "background",
    "chronos": "images/autumn images/spring images/summer images/winter",
    "click_on_letter": "background",
    "color_mix": "background2",
    "crane": "background",
    "enumerate": "background",
    "explore_farm_animals": "animals/farm-animals",
    "family": "background",
    "followline": "background",
    "gletters": "background",
    "hangman": "background",
    "hanoi_real": "background",
    "instruments": "background",
    "memory-wordnumber": "background",
    "menu": "background",
    "missing-letter": "background",
    "mosaic": "background",
    "number_sequence": "house1",
    "penalty": "penalty_bg",
    "photo_hunter": "photo3 photo6 photo10",
    "redraw": "background",
    "roman_numerals": "arabian-building roman-building",
    "scalesboard": "background",
    "smallnumbers": "background",
    "smallnumbers2": "background",
    "sudoku": "background",
    "tic_tac_toe": "background",
    "wordsgame": "background",
}
WATER = {"color_mix": "background", "number_sequence": "fish1", "submarine": "background", "algebra_by": "background"}
AIR = {"canal_lock": "sky", "number_sequence": "plane1 sapin1", "land_safe": "background"}
WHOLE = {
    "chronos": (
        "images/chronos-tuxtree1 images/chronos-tuxtree2 images/chronos-tuxtree3 images/chronos-tuxtree4 "
        "images/garden1 images/garden2 images/garden3 images/garden4"
    ),
    "fifteen": "Coastal_Path Fishing_Boat_Scene",
    "memory-sound": "gcompris_band",
    "number_sequence": "bear2 carnaval2 epouvantail2 fish2 house2 plane2 sapin2 dn_fond2",
    "photo_hunter": "photo1 photo2 photo4 photo5 photo9",
}
OPENCLIPART_WHOLE = {
    "animals/birds": "cigno_di_notte_nella_pa_01",
    "animals/mammals": "stambecco_valdostano_arc_01 toro_al_tramonto_archite_01",
    "animals/mammals/dogs": "bulldog_puppy_ganson",
    "food": "come_si_dispongono_le_p_01",
    "people": "van_gogh_s_room_enrique__01",
    "plants": "sun_flower_ganson",
    "recreation/sports": "anelli_architetto_france_01",
    "unsorted": "grondaia",
}
"""Of the Open Clip Art Library those that fill their page; most are by two hands."""
OPENCLIPART_LAND = {
    "geography": "ayers_rock_ganson",
    "recreation/holiday": "footprints_in_sand_ganson",
    "unsorted": "landscape_near_the_river_01",
}
KHANGMAN_WHOLE = {"themes": "khangman_bees khangman_desert khangman_sea khangman_winter"}
HEDGEWARS_LAND = (
    "Art Bamboo Brick Cake Castle Christmas City Compost Desert Freeway Fruit Golf Halloween Jungle Nature Sheep Snow"
)
"""Themes by name: those without letters whose horizon shows more than a pattern."""
HEDGEWARS_WATER = "Underwater"

ON_LAND = {
    "babymatch": (
        "images/bell images/bicycle images/bottle images/car images/carrot images/castle images/crown images/flower "
        "images/flowerpot images/football images/house images/lamp images/lighthouse images/minivan images/postpoint "
        "images/sofa images/tree images/truck"
    ),
    "baby_tangram": "train/loco train/passenger train/coal",
    "babyshapes": "food/baby_bottle food/milk_cup food/marmelade food/chocolate_cake food/yogurt",
    "ballcatch": "tux ball",
    "braille_alphabets": "tux_braille",
    "click_on_letter": "engine",
    "colors": "blue_duck orange_duck pink_duck yellow_duck green_duck",
    "core": "bonus/flower_good bonus/gnu_good bonus/lion_good bonus/panda_good bonus/tux_good player_1 player_2 win",
    "enumerate": "peach watermelon turtle",
    "explore_farm_animals": (
        "animals/cat animals/chicken animals/cow animals/dog animals/duck animals/horse animals/owl animals/pig "
        "animals/sheep"
    ),
    "explore_world_music": "music/suitcase",
    "family": "boy1 boy2 girl1 girl2 man1 man2 man3 oldMan1 oldWoman1 oldWoman2 woman1 woman2 woman3",
    "followline": "fireman fire",
    "instruments": "guitar drum_kit harp piano",
    "left_right_click": "monkey tree",
    "memory": (
        "01_cat 02_pig 03_bear 04_hippopotamus 05_penguin 06_cow 07_sheep 08_turtle 09_panda 10_chicken 12_wolf "
        "13_monkey 14_fox 16_elephant 17_lion 18_gnu 19_bluebaby 20_greenbaby 21_frog child"
    ),
    "menu": "computer discovery fun puzzle sciences strategy",
    "mining": "gold_carriage stone3",
    "mosaic": "mushroom",
    "path_encoding": "bush rock tree",
    "penalty": "penalty_player",
    "photo_hunter": "photo2_3 photo4_4",
    "positions": "boy",
    "railroad": "loco0 loco1 loco3 loco5 loco6 wagon0 wagon2 wagon4 wagon7 wagon10",
    "scalesboard": "gift",
    "share": "images/boy images/girl images/basket",
    "watercycle": "watertower tuxHouse city",
}
IN_WATER = {
    "babymatch": "images/fishingboat images/sailingboat",
    "enumerate": "turtle",
    "left_right_click": "fish",
    "reversecount": "fish-blue",
    "submarine": "submarine whale boat",
    "memory": "21_frog 08_turtle",
    "core": "bonus/star_good",
}
IN_AIR = {
    "babymatch": "images/tuxhelico images/tuxplane images/sun images/fusee images/star",
    "chronos": "images/mongolfiere images/rafale images/lindbergh images/bell_X1",
    "core": "tuxballoon bonus/sun_good",
    "gravity": "tux_spaceship space_station",
    "land_safe": "rocket",
    "memory": "11_redbird 15_bluebirds",
    "photo_hunter": "photo8_3",
    "planegame": "cloud cloud_storm tuxhelico",
}
SIZES = {
    "babymatch/images/castle": 1.3,
    "babymatch/images/house": 1.3,
    "babymatch/images/lighthouse": 1.3,
    "babymatch/images/tree": 1.3,
    "left_right_click/tree": 1.3,
    "path_encoding/tree": 1.3,
    "watercycle/city": 1.3,
    "watercycle/tuxHouse": 1.2,
    "family": 0.6,
    "railroad": 0.6,
    "babyshapes": 0.6,
    "colors": 0.6,
    "enumerate": 0.6,
    "mosaic": 0.6,
    "babymatch/images/carrot": 0.6,
    "babymatch/images/crown": 0.5,
    "babymatch/images/football": 0.4,
    "babymatch/images/truck": 0.7,
    "babymatch/images/bell": 0.5,
    "babymatch/images/bottle": 0.5,
    "babymatch/images/flower": 0.6,
    "babymatch/images/flowerpot": 0.5,
    "babymatch/images/lamp": 0.6,
    "babymatch/images/postpoint": 0.6,
    "share/images/basket": 0.4,
    "scalesboard": 0.5,
    "watercycle/watertower": 0.7,
    "ballcatch/ball": 0.4,
    "mining": 0.6,
    "planegame/cloud": 0.5,
    "submarine": 0.5,
}
"""Heights beside the others' 1.0: of a figure, or of all of an activity."""

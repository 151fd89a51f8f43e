"""Requests to the travel assistant in English, with what they are in Chinese, by templates of both languages.

A template is a frame about one of the booked objects. Some pairs of frame and object are held out: their frame occurs
in the training file with other objects, and the object with other frames.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grammar.language import Split
from grammar.templates import expand, fill, pick, pick_several, text_of

Pair = tuple[str, str]
"""The same in English and in Chinese."""

CITIES: Sequence[Pair] = (
    ("London", "伦敦"), ("Paris", "巴黎"), ("Berlin", "柏林"), ("Madrid", "马德里"), ("Rome", "罗马"),
    ("Vienna", "维也纳"), ("Prague", "布拉格"), ("Dublin", "都柏林"), ("Oslo", "奥斯陆"), ("Athens", "雅典"),
    ("Milan", "米兰"), ("Munich", "慕尼黑"), ("Boston", "波士顿"), ("Chicago", "芝加哥"), ("New York", "纽约"),
    ("Kyoto", "京都"), ("Cairo", "开罗"), ("Beijing", "北京"), ("Shanghai", "上海"), ("Hong Kong", "香港"),
)  # fmt: skip
WEEKDAYS: Sequence[Pair] = (
    ("Monday", "周一"), ("Tuesday", "周二"), ("Wednesday", "周三"), ("Thursday", "周四"), ("Friday", "周五"),
    ("Saturday", "周六"), ("Sunday", "周日"),
)  # fmt: skip
SOON: Sequence[Pair] = (
    ("tomorrow", "明天"), ("tonight", "今晚"), ("next week", "下周"), ("this weekend", "这个周末"),
)  # fmt: skip
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October")
NUMBERS: Sequence[Pair] = (
    ("two", "两"), ("three", "三"), ("four", "四"), ("five", "五"), ("six", "六"), ("seven", "七"), ("eight", "八"),
)  # fmt: skip
OBJECTS: Mapping[str, Mapping[str, Sequence[Pair]]] = {
    "flight": {
        "new": (("a flight", "机票"), ("a seat on a plane", "飞机座位")),
        "mine": (("my flight", "我的航班"), ("our plane tickets", "我们的飞机票")),
        "where": (("from {from} to {to}", "从{from}到{to}的"), ("leaving {from} for {to}", "{from}飞往{to}的")),
    },
    "train": {
        "new": (("a train ticket", "火车票"), ("a seat on the train", "火车座位")),
        "mine": (("my train", "我的火车"), ("our rail tickets", "我们的高铁票")),
        "where": (("from {from} to {to}", "从{from}到{to}的"), ("out of {from} into {to}", "{from}开往{to}的")),
    },
    "hotel": {
        "new": (("a hotel room", "酒店房间"), ("a bed for the night", "过夜的床位")),
        "mine": (("my hotel", "我的酒店"), ("our room", "我们的房间")),
        "where": (("in {from}", "{from}的"), ("in {from} for {nights} nights", "在{from}住{nights}晚的")),
    },
}
WHEN: Sequence[Pair] = (("on {weekday}", "{weekday}"), ("{soon}", "{soon}"), ("on {day}", "{day}"), ("", ""))
FRAMES: Sequence[Pair] = (
    ("please book <new> <where> <when>", "请帮我订<when><where><new>"),
    ("we would like to reserve <new> <where> <when>", "我们想预订<when><where><new>"),
    ("could you find us <new> <where> for {people} people", "能不能给我们{people}个人找<where><new>"),
    ("is there still <new> <where> <when>", "<when>还有没有<where><new>"),
    ("how much is <new> <where> <when>", "<when><where><new>多少钱"),
    ("what does <new> <where> cost for {people} people", "{people}个人要<where><new>得花多少"),
    ("tell me the price of <new> <where>", "告诉我<where><new>的价格"),
    ("please cancel <mine> <where> <when>", "请取消<mine>，是<when><where>"),
    ("I will not need <mine> <where> any more", "我不再需要<mine>了，是<where>"),
    ("do not cancel <mine> , put it on {weekday}", "不要取消<mine>，换成{weekday}"),
    ("please move <mine> <where> to {weekday}", "请把<mine>改到{weekday}，是<where>"),
    ("<mine> should be on {weekday} instead of {day}", "<mine>应该是{weekday}，不是{day}"),
    ("I paid {money} euros for <mine> , is that right", "<mine>花了我{money}欧元，对吗"),
    ("when does <mine> <where> begin", "<mine>什么时候开始，是<where>"),
    ("can {people} people share <mine> <when>", "<when>{people}个人能不能一起用<mine>"),
    ("I have {money} euros , is that enough for <new> <where>", "我有{money}欧元，够买<where><new>吗"),
    ("we lost the papers for <mine> <where>", "我们把<mine>的单据弄丢了，是<where>"),
    ("thank you for <mine> <when>", "谢谢你们安排<when><mine>"),
)
_HELD_OUT_ONE_OF = 6


@dataclass(frozen=True)
class Translation:
    """A request in both languages.

    Attributes:
        template: Number of its frame, and its object.
        english: The request.
        chinese: The same in Chinese.
    """

    template: tuple[int, str]
    english: str
    chinese: str


def templates_of(split: Split) -> list[tuple[int, str]]:
    """Frames with their objects: of dev and of test none is in another split."""
    objects = list(OBJECTS)
    every = [(frame, wanted) for frame in range(len(FRAMES)) for wanted in objects]
    held_out = [one for one in every if (one[0] + 2 * objects.index(one[1])) % _HELD_OUT_ONE_OF == 0]
    parts = {"train": [one for one in every if one not in held_out], "dev": held_out[::2], "test": held_out[1::2]}
    return parts[split]


def draw_translations(split: Split, count: int, generator: random.Random) -> list[Translation]:
    """`count` different requests, with templates of the split."""
    templates = templates_of(split)
    found: dict[str, Translation] = {}
    while len(found) < count:
        one = _draw(pick(templates, generator), generator)
        found.setdefault(one.english, one)
    return [one for _, one in sorted(((generator.random(), one) for one in found.values()), key=lambda item: item[0])]


def _draw(template: tuple[int, str], generator: random.Random) -> Translation:
    frame, wanted = template
    phrases = {name: pick(pairs, generator) for name, pairs in {**OBJECTS[wanted], "when": WHEN}.items()}
    values = _draw_values(generator)
    sides = []
    for side in (0, 1):
        own = {name: [pair[side]] for name, pair in phrases.items()}
        expanded = expand(FRAMES[frame][side], own, generator)
        sides.append(text_of(fill(expanded, {name: value[side] for name, value in values.items()})))
    return Translation(template, *sides)


def _draw_values(generator: random.Random) -> dict[str, Pair]:
    start, end = pick_several(CITIES, 2, generator)
    month, day = int(generator.random() * len(MONTHS)), 1 + int(generator.random() * 28)
    money = str((4 + int(generator.random() * 60)) * 5)
    return {
        "from": start, "to": end, "weekday": pick(WEEKDAYS, generator), "soon": pick(SOON, generator),
        "day": (f"{day} {MONTHS[month]}", f"{month + 1}月{day}日"), "nights": pick(NUMBERS, generator),
        "people": pick(NUMBERS, generator), "money": (money, money),
    }  # fmt: skip

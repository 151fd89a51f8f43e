"""The English travel assistant."""

import random

from grammar.language import Fact, Language, Values
from grammar.templates import pick

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve")


def draw_day(generator: random.Random) -> str:
    return f"{1 + int(generator.random() * 28)} {pick(MONTHS, generator)}"


def draw_clock(generator: random.Random) -> str:
    hour = pick(("six", "seven", "eight", "nine", "ten", "eleven"), generator)
    return (
        f"{pick(('', 'half past ', 'a quarter to '), generator)}{hour} in the {pick(('morning', 'evening'), generator)}"
    )


def draw_money(generator: random.Random) -> str:
    return f"{(4 + int(generator.random() * 60)) * 5} {pick(('euros', 'dollars', 'pounds'), generator)}"


OPEN_VALUES = {
    "city": Values(
        train=(
            "London", "Paris", "Berlin", "Madrid", "Rome", "Vienna", "Prague", "Lisbon", "Dublin", "Oslo", "Athens",
            "Warsaw", "Budapest", "Helsinki", "Brussels", "Geneva", "Milan", "Hamburg", "Munich", "Boston", "Chicago",
            "Denver", "Seattle", "Toronto", "New York", "San Diego", "Buenos Aires", "Cape Town", "Kyoto", "Cairo",
        ),
        held_out=(
            "Stockholm", "Copenhagen", "Amsterdam", "Zurich", "Barcelona", "Naples", "Edinburgh", "Montreal", "Dallas",
            "Houston", "Los Angeles", "Hong Kong", "Tel Aviv", "Osaka", "Lima",
        ),
    ),
    "company": Values(
        train=("Skylark", "Blue Heron", "Northwing", "Silver Line", "Comet", "Redwood", "Four Winds", "Polaris"),
        held_out=("Swift Arrow", "Kestrel", "Green Valley", "Meridian"),
    ),
    "hotel": Values(
        train=(
            "Grand Palace", "Old Mill", "Riverside Inn", "Golden Lion", "Station Hotel", "Garden House", "Blue Door",
            "Sea View", "Royal Oak", "White Horse",
        ),
        held_out=("Black Swan", "Lake House", "Three Crowns", "Market Inn", "Rose Court"),
    ),
    "person": Values(
        train=(
            "Anna", "Tom", "Maria", "David", "Lucy", "Peter", "Nina", "Oscar", "Julia", "Henry", "Clara", "Victor",
            "Emma", "Paul", "Sofia", "Martin", "Alice", "George", "Laura", "Simon",
        ),
        held_out=("Ruth", "Felix", "Irene", "Hugo", "Olga", "Walter", "Diana", "Arthur", "Vera", "Leo"),
    ),
    "sight": Values(
        train=(
            "old harbour", "city museum", "cathedral", "botanical garden", "castle", "fish market", "opera house",
            "town hall", "clock tower", "science centre",
        ),
        held_out=("stone bridge", "national library", "royal palace", "water mill", "art gallery"),
    ),
}  # fmt: skip

PHRASES = {
    "polite": ("please", "could you", "can you", "I want you to", "would you please", ""),
    "we": ("we", "I"),
    "us": ("me", "us"),
    "when": ("on {weekday}", "on {day}", "{soon}", "on {weekday} at {clock}", "", ""),
}

OBJECTS = {
    "flight": {
        "new": ("a flight", "a plane ticket", "a seat on a plane", "a {company} flight"),
        "mine": ("my flight", "our flight", "my plane ticket", "the {company} flight"),
        "where": ("from {from} to {to}", "to {to} from {from}", "out of {from} into {to}", "leaving {from} for {to}"),
    },
    "train": {
        "new": ("a train", "a train ticket", "a seat on the train", "a {company} train"),
        "mine": ("my train", "our train", "my rail ticket", "the {company} train"),
        "where": ("from {from} to {to}", "to {to} from {from}", "out of {from} into {to}", "leaving {from} for {to}"),
    },
    "hotel": {
        "new": ("a hotel", "a hotel room", "a bed for the night", "a room at the {hotel}"),
        "mine": ("my hotel", "our room", "my stay at the {hotel}", "the hotel room"),
        "where": ("in {city}", "in {city} for {nights} nights", "in the city of {city}", "somewhere in {city}"),
    },
}

ACTIONS = {
    "book": (
        "<polite> book <new> <where> <when>",
        "<we> would like to reserve <new> <where> <when>",
        "<polite> find <us> <new> <where> for {people} people",
        "is there still <new> <where> <when> that <we> could have",
        "<other> is settled , now <we> need <new> <where> <when>",
        "do not change <other> , get <us> <new> <where> as well",
    ),
    "cancel": (
        "<polite> cancel <mine> <where> <when>",
        "<we> will not need <mine> <where> any more",
        "give back <mine> <where> , <we> will not travel <when>",
        "take <mine> <where> off the list , but leave <other> as it is",
        "<polite> call off <mine> and return what <we> paid for {people} people",
        "<we> do not want to move <mine> <where> , <we> want the money back",
    ),
    "change": (
        "<polite> move <mine> <where> to {weekday}",
        "do not cancel <mine> <where> , put it on {day}",
        "<mine> <where> should be on {weekday} instead of {day}",
        "<we> booked <mine> for {weekday} but {day} would suit <us> better",
        "<other> can stay , but shift <mine> <where> to {weekday}",
        "is it possible to have <mine> <where> later than {clock}",
    ),
    "price": (
        "how much is <new> <where> <when>",
        "what does <new> <where> cost for {people} people",
        "<polite> tell <us> the price of <new> <where> <when>",
        "before <we> book anything , what would <new> <where> come to",
        "<other> is paid , so how expensive is <new> <where>",
        "<we> can spend {money} , is that enough for <new> <where>",
    ),
}

FACTS = {
    "departure": Fact(
        sentences=(
            "{name} left {from} on {day} with {company}.",
            "On {day} {name} set off from {from} on a {company} coach.",
            "The journey of {name} began in {from} on {day}, booked with {company}.",
        ),
        questions={
            "from": ("Where did the journey of {name} begin?", "Which city did {name} leave?"),
            "day": ("When did the journey of {name} begin?", "On which day did {name} leave?"),
            "company": ("Which company did {name} travel with?", "What is the company called that took {name} along?"),
        },
    ),
    "arrival": Fact(
        sentences=(
            "{name} reached {to} at {clock}.",
            "At {clock} {name} arrived in {to}.",
            "It was {clock} when {name} came to {to}.",
        ),
        questions={
            "to": ("Where did {name} arrive?", "Which city did {name} reach?"),
            "clock": ("When did {name} arrive?", "What time was it when {name} came to the end of the journey?"),
        },
    ),
    "stay": Fact(
        sentences=(
            "{name} stayed {nights} nights at the {hotel} and paid {money} for each.",
            "For {nights} nights {name} had a room at the {hotel}, which cost {money} a night.",
            "The {hotel} took {money} a night, and {name} slept there for {nights} nights.",
        ),
        questions={
            "hotel": ("Where did {name} sleep?", "Which hotel did {name} stay at?"),
            "nights": ("How many nights did {name} stay?", "How long was the stay of {name}, in nights?"),
            "money": ("How much did {name} pay for one night?", "What did a night cost {name}?"),
        },
    ),
    "visit": Fact(
        sentences=(
            "A guide called {guide} showed {name} the {sight}.",
            "{name} saw the {sight} together with {guide}, who knows the city well.",
            "With {guide} as a guide, {name} went to the {sight}.",
        ),
        questions={
            "guide": ("Who showed {name} around?", "What is the guide of {name} called?"),
            "sight": ("What did {name} go to see?", "Which sight did {name} visit?"),
        },
    ),
}

NAMES, PLACES, TIMES, AMOUNTS = range(4)

ENGLISH = Language(
    code="en",
    by_character=False,
    open_values=OPEN_VALUES,
    open_slots={
        "from": "city", "to": "city", "city": "city", "company": "company", "hotel": "hotel",
        "name": "person", "guide": "person", "sight": "sight",
    },
    closed_slots={
        "weekday": lambda generator: pick(WEEKDAYS, generator),
        "day": draw_day,
        "soon": lambda generator: pick(("tomorrow", "tonight", "next week", "this weekend"), generator),
        "clock": draw_clock,
        "nights": lambda generator: pick(NUMBERS, generator),
        "people": lambda generator: pick(NUMBERS, generator),
        "money": draw_money,
    },
    types={
        "from": "from_city", "to": "to_city", "city": "city", "company": "company", "hotel": "hotel",
        "weekday": "date", "day": "date", "soon": "date", "clock": "time",
        "nights": "nights", "people": "people", "money": "price",
    },
    phrases=PHRASES,
    objects=OBJECTS,
    actions=ACTIONS,
    facts=FACTS,
    answer_types={
        "company": NAMES, "guide": NAMES, "from": PLACES, "to": PLACES, "hotel": PLACES, "sight": PLACES,
        "day": TIMES, "clock": TIMES, "nights": AMOUNTS, "money": AMOUNTS,
    },
    sentence_glue=" ",
)  # fmt: skip

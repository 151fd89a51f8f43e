"""What a question asks for: its question word, English or Chinese."""

import re

OTHER_WORD = "(other)"

# The wh-words of English; "how many" and "how much" ask for something else than "how".
_ENGLISH = re.compile(
    r"\b(how (?:many|much|long|old|far|often|tall|big|large|high|fast)|how|what|when|where|which|whom|whose|who|why)\b",
    re.IGNORECASE,
)
# Interrogatives of Chinese by what they ask for; in each place of a question the longest counts.
_CHINESE = {
    "为什么": ("为什么", "为何", "为啥", "何以", "什么原因", "缘何"),
    "什么时候": (
        "什么时候",
        "什么时间",
        "何时",
        "几时",
        "哪一年",
        "哪年",
        "哪一天",
        "哪天",
        "几月",
        "几号",
        "何年",
        "哪个月",
    ),
    "哪里": ("哪里", "哪儿", "何处", "什么地方", "哪个地方", "何地"),
    "多少": ("多少", "几", "多大", "多长", "多高", "多久", "多远", "多重", "多深", "多宽"),
    "怎么": ("怎么样", "怎么", "怎样", "如何", "怎"),
    "谁": ("谁", "何人", "哪位", "什么人"),
    "哪": ("哪些", "哪个", "哪种", "哪一", "哪"),
    "什么": ("什么", "何种", "何", "啥"),
    "是否": ("是否", "是不是", "有没有", "能否", "可否", "能不能", "会不会", "吗"),
}
_GROUPS = {word: group for group, words in _CHINESE.items() for word in words}
_ANY_CHINESE = re.compile("|".join(sorted(_GROUPS, key=lambda word: (-len(word), word))))
_HAN = re.compile(r"[\u4e00-\u9fff]")
# What ends a question asks less than a word inside it: 吗 is a particle, 几 may be part of a number.
_WEAK = ("吗",)


def question_word(question: str) -> str:
    """The first question word, in lower case; a Chinese one as the most usual of its kind; `OTHER_WORD` without any."""
    if _HAN.search(question):
        found = _ANY_CHINESE.findall(question)
        strong = [word for word in found if word not in _WEAK]
        if found:
            return _GROUPS[(strong or found)[0]]
    english = _ENGLISH.search(question)
    return english[0].lower() if english else OTHER_WORD

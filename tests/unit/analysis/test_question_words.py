"""The question words of English and Chinese questions."""

import pytest

from palm.analysis.question_words import OTHER_WORD, question_word


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Who wrote it?", "who"),
        ("In which year did it happen, and who was there?", "which"),
        ("How many people live in Paris?", "how many"),
        ("how does it work", "how"),
        ("To whom was it given?", "whom"),
        ("Name the river.", OTHER_WORD),
        ("Is somewhat whatever a word?", OTHER_WORD),
        ("", OTHER_WORD),
        ("《红楼梦》的作者是谁?", "谁"),
        ("这座城市建于什么时候?", "什么时候"),
        ("他什么时间到达,为什么?", "什么时候"),
        ("为何他离开了北京?", "为什么"),
        ("为什么天是蓝的", "为什么"),
        ("河在哪儿?", "哪里"),
        ("哪个国家最大?", "哪"),
        ("有多少人?", "多少"),
        ("有几个人?", "多少"),
        ("如何申请?", "怎么"),
        ("它是什么?", "什么"),
        ("北京是首都吗?", "是否"),
        ("你知道他是谁吗?", "谁"),
        ("请说出一条河。", OTHER_WORD),
        ("Linux 的 what 命令", "what"),
    ],
)
def test_question_words(question, word):
    assert question_word(question) == word

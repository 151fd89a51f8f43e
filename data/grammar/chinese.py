"""The Chinese travel assistant."""

import random

from grammar.english import ENGLISH
from grammar.language import Fact, Language, Values
from grammar.templates import pick

NUMBERS = ("两", "三", "四", "五", "六", "七", "八", "九", "十")
WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日", "星期一", "星期三", "星期五")


def draw_day(generator: random.Random) -> str:
    return f"{1 + int(generator.random() * 12)}月{1 + int(generator.random() * 28)}日"


def draw_clock(generator: random.Random) -> str:
    part = pick(("早上", "上午", "下午", "晚上"), generator)
    return f"{part}{pick(('六', '七', '八', '九', '十'), generator)}点{pick(('', '半', '一刻'), generator)}"


def draw_money(generator: random.Random) -> str:
    return f"{(10 + int(generator.random() * 90)) * 10}元"


OPEN_VALUES = {
    "city": Values(
        train=(
            "北京", "上海", "广州", "深圳", "成都", "杭州", "武汉", "西安", "南京", "重庆", "天津", "苏州", "青岛",
            "长沙", "大连", "厦门", "昆明", "宁波", "无锡", "郑州", "哈尔滨", "石家庄", "张家界", "海口", "拉萨",
        ),
        held_out=(
            "沈阳", "济南", "合肥", "福州", "贵阳", "兰州", "桂林", "三亚", "洛阳", "连云港", "乌鲁木齐", "呼和浩特",
        ),
    ),
    "company": Values(
        train=("云雀", "蓝鹭", "北翼", "银线", "彗星", "红杉", "四方", "北极星"),
        held_out=("飞箭", "青谷", "红隼", "子午线"),
    ),
    "hotel": Values(
        train=(
            "大皇宫饭店", "老磨坊客栈", "河畔酒店", "金狮宾馆", "车站旅馆", "花园饭店", "海景酒店", "橡树宾馆",
            "白马客栈", "蓝门旅馆",
        ),
        held_out=("黑天鹅酒店", "湖畔饭店", "三冠宾馆", "市集客栈", "玫瑰旅馆"),
    ),
    "person": Values(
        train=(
            "王芳", "李强", "张敏", "刘伟", "陈静", "杨帆", "赵磊", "黄丽", "周敏", "吴娜", "徐涛", "孙洁", "马骏",
            "朱琳", "胡波", "郭艳", "何平", "高翔", "林雪", "罗斌",
        ),
        held_out=("郑楠", "梁栋", "谢晴", "宋歌", "唐宁", "许诺", "韩冰", "冯远", "邓川", "曹蕾"),
    ),
    "sight": Values(
        train=("老码头", "城市博物馆", "大教堂", "植物园", "古城堡", "鱼市", "歌剧院", "市政厅", "钟楼", "科技馆"),
        held_out=("石拱桥", "国家图书馆", "皇家园林", "水磨坊", "美术馆"),
    ),
}  # fmt: skip

PHRASES = {
    "polite": ("请", "麻烦", "能不能", "可不可以", "请你", ""),
    "we": ("我", "我们"),
    "us": ("我", "我们"),
    "my": ("我", "我们", ""),
    "when": ("{weekday}", "{day}", "{soon}", "{weekday}{clock}", "", ""),
}

OBJECTS = {
    "flight": {
        "new": ("机票", "飞机票", "航班", "{company}公司的航班"),
        "mine": ("航班", "那张机票", "订好的飞机票", "{company}公司的航班"),
        "where": ("从{from}到{to}的", "{from}飞{to}的", "{from}出发去{to}的", "去{to}、从{from}走的"),
    },
    "train": {
        "new": ("火车票", "高铁票", "火车上的座位", "{company}公司的火车票"),
        "mine": ("火车票", "那张高铁票", "订好的火车", "{company}公司的火车票"),
        "where": ("从{from}到{to}的", "{from}开往{to}的", "{from}出发去{to}的", "去{to}、从{from}走的"),
    },
    "hotel": {
        "new": ("酒店", "房间", "住处", "{hotel}的房间"),
        "mine": ("酒店", "那个房间", "订好的客房", "{hotel}的房间"),
        "where": ("{city}的", "在{city}住{nights}晚的", "{city}市里的", "位于{city}的"),
    },
}

ACTIONS = {
    "book": (
        "<polite>帮<us>订<when><where><new>",
        "<we>想预订<when><where><new>",
        "<polite>给{people}个人找<where><new>",
        "<when>还有没有<where><new>，<we>想要",
        "<other>已经办好了，现在还需要<when><where><new>",
        "<other>不用改，再帮<us>要<where><new>",
    ),
    "cancel": (
        "<polite>取消<my><when><where><mine>",
        "<my><where><mine>不需要了",
        "<when>不走了，<polite>退掉<my><where><mine>",
        "<polite>退掉<my><where><mine>，<other>保留",
        "<my><where><mine>别留了，把{people}个人的钱还给<us>",
        "不是要改<my><where><mine>，<we>要退钱",
    ),
    "change": (
        "<polite>把<my><where><mine>改到{weekday}",
        "不要取消<my><where><mine>，换成{day}就行",
        "<my><where><mine>应该是{weekday}，不是{day}",
        "<my><where><mine>订的是{weekday}，可是{day}对<us>更合适",
        "<other>不动，<polite>把<my><where><mine>挪到{weekday}",
        "<my><where><mine>能不能晚于{clock}",
    ),
    "price": (
        "<when><where><new>多少钱",
        "{people}个人要<where><new>得花多少",
        "<polite>告诉<us><when><where><new>的价格",
        "先不订，<where><new>一共要多少钱",
        "<other>已经付过了，那<where><new>贵不贵",
        "<we>只有{money}，够买<where><new>吗",
    ),
}

FACTS = {
    "departure": Fact(
        sentences=(
            "{name}于{day}乘{company}公司的车离开{from}。",
            "{day}，{name}从{from}出发，坐的是{company}公司的车。",
            "{name}的旅程{day}从{from}开始，由{company}公司安排。",
        ),
        questions={
            "from": ("{name}的旅程从哪里开始？", "{name}离开了哪座城市？"),
            "day": ("{name}的旅程从什么时候开始？", "{name}是哪一天离开的？"),
            "company": ("{name}坐的是哪家公司的车？", "安排{name}行程的公司叫什么？"),
        },
    ),
    "arrival": Fact(
        sentences=("{name}在{clock}到达{to}。", "{clock}，{name}抵达{to}。", "{name}来到{to}时是{clock}。"),
        questions={
            "to": ("{name}到了哪里？", "{name}抵达的是哪座城市？"),
            "clock": ("{name}什么时候到的？", "{name}走到终点时是几点？"),
        },
    ),
    "stay": Fact(
        sentences=(
            "{name}在{hotel}住了{nights}晚，每晚{money}。",
            "{name}花每晚{money}住进{hotel}，一共{nights}晚。",
            "{hotel}每晚收{money}，{name}在那里住了{nights}晚。",
        ),
        questions={
            "hotel": ("{name}住在哪里？", "{name}选的是哪家店？"),
            "nights": ("{name}住了几晚？", "{name}一共住了多少个晚上？"),
            "money": ("{name}住一晚要多少钱？", "{name}每晚花了多少？"),
        },
    ),
    "visit": Fact(
        sentences=(
            "导游{guide}带{name}看了{sight}。",
            "{name}和熟悉当地的{guide}一起去了{sight}。",
            "在{guide}的陪同下，{name}参观了{sight}。",
        ),
        questions={
            "guide": ("谁陪{name}参观？", "{name}的导游叫什么？"),
            "sight": ("{name}去看了什么？", "{name}参观了哪个景点？"),
        },
    ),
}

CHINESE = Language(
    code="zh",
    by_character=True,
    open_values=OPEN_VALUES,
    open_slots=ENGLISH.open_slots,
    closed_slots={
        "weekday": lambda generator: pick(WEEKDAYS, generator),
        "day": draw_day,
        "soon": lambda generator: pick(("明天", "后天", "今晚", "下周", "这个周末"), generator),
        "clock": draw_clock,
        "nights": lambda generator: pick(NUMBERS, generator),
        "people": lambda generator: pick(NUMBERS, generator),
        "money": draw_money,
    },
    types=ENGLISH.types,
    phrases=PHRASES,
    objects=OBJECTS,
    actions=ACTIONS,
    facts=FACTS,
    answer_types=ENGLISH.answer_types,
    sentence_glue="",
)

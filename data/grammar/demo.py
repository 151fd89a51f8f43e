"""More values of the open classes, for the training files of `palm demo`; none is held out for dev and test."""

from dataclasses import replace
from itertools import product

from grammar.chinese import CHINESE
from grammar.english import ENGLISH
from grammar.language import Language, Values


def listed(words: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(words.split())


def joined(firsts: str, seconds: str, glue: str) -> tuple[str, ...]:
    """Each first word with each second one."""
    return tuple(glue.join(pair) for pair in product(firsts.split(), seconds.split()))


MORE_ENGLISH = {
    "city": (
        *listed("Bristol Leeds Glasgow Cardiff Belfast Lyon Marseille Bordeaux Nice Lille Seville Valencia Porto"),
        *listed("Turin Florence Venice Bologna Palermo Cologne Frankfurt Leipzig Dresden Salzburg Basel Bern Antwerp"),
        *listed("Ghent Utrecht Rotterdam Malmo Bergen Tampere Riga Vilnius Tallinn Krakow Bucharest Sofia Belgrade "),
        *listed("Zagreb Istanbul Ankara Tunis Nairobi Lagos Accra Dakar Mumbai Delhi Bangkok Hanoi Manila Seoul Tokyo"),
        *listed(
            "Sydney Perth Auckland Miami Phoenix Portland Atlanta Detroit Austin Calgary Ottawa Bogota Quito Santiago"
        ),
        *("Hong Chau", "New Delhi", "San Jose", "San Francisco", "Las Vegas", "Saint Louis", "Kansas City"),
        *("Santa Cruz", "Rio Grande", "Addis Ababa", "Kuala Lumpur", "Port Louis", "Salt Lake City", "El Paso"),
        *("Abu Dhabi", "Tel Mond", "Mexico City", "Monte Carlo", "Los Alamos", "Hong Gai", "Los Cristos"),
    ),
    "company": (
        *joined("Blue Red White Silver Golden Northern Swift Green Bright", "Falcon Wave Road Star Bridge", " "),
        *listed("Osprey Horizon Compass Pegasus Albatross Lighthouse Evergreen Zenith Equator Swallow Voyager Atlas"),
    ),
    "hotel": joined("Red Black Three Old Royal Park Lake Market Rose Hill", "Lion Bear House Inn Court Swans", " "),
    "person": listed(
        "Adam Agnes Albert Amy Andrew Barbara Ben Bruno Carla Carol Chloe Daniel Dora Edith Edward Elena Eric Esther "
        "Eva Fiona Frank Greta Hannah Harry Helen Ian Isabel Ivan Jack Jane Jason Joan John Karl Kate Kevin Leah Lisa "
        "Louis Marcus Mark Mary Max Mia Michael Monica Nadia Nathan Nick Noah Nora Otto Patrick Philip Rachel Ralph "
        "Rebecca Robert Rosa Roy Sam Sarah Stella Steven Susan Theo Thomas Tina Ursula Valerie Wendy William Yvonne"
    ),
    "sight": joined("old royal national stone great modern", "bridge gallery palace library mill tower garden", " "),
}
MORE_CHINESE = {
    "city": listed(
        "南昌 太原 南宁 银川 西宁 长春 唐山 保定 烟台 威海 潍坊 徐州 扬州 常州 南通 温州 绍兴 嘉兴 台州 芜湖 黄山 泉州 "
        "漳州 赣州 九江 宜昌 襄阳 岳阳 株洲 珠海 佛山 东莞 汕头 湛江 惠州 柳州 北海 遵义 丽江 大理 宝鸡 咸阳 酒泉 敦煌 "
        "大同 开封 包头 鄂尔多斯 齐齐哈尔 牡丹江 佳木斯 秦皇岛 葫芦岛 景德镇 马鞍山 攀枝花 六盘水 "
        "克拉玛依 吐鲁番 日喀则 香格里拉 西双版纳 锡林浩特 二连浩特 满洲里 嘉峪关 "
        "平顶山 驻马店 东京 大阪 首尔 曼谷 巴黎 伦敦 柏林 "
        "马德里 莫斯科 悉尼"
    ),
    "company": (
        *joined("金 银 蓝 红 白 青 飞 南", "雁 鹰 帆 星 桥 湾", ""),
        *listed("地平线 指南针 信天翁 灯塔 长青 赤道 海燕 启明星 白桦 天马 远航 山谷 东方 大洋 顺风 和平"),
    ),
    "hotel": joined("红狮 黑熊 三叶 老城 皇家 公园 湖心 市场 月季 青山 海角 星光", "酒店 饭店 宾馆 客栈 旅馆", ""),
    "person": joined("丁 方 石 姚 谭 廖 范 汪 陆 金 戴 夏", "明 雨 文静 志远 欣 佳 建国 思齐", ""),
    "sight": joined("石 古 国家 皇家 市 老 大", "桥 图书馆 园林 磨坊 美术馆 塔 花园", ""),
}


def with_more(language: Language, more: dict[str, tuple[str, ...]]) -> Language:
    """The language with more values to train on, without those that are held out."""
    values = {}
    for kind, known in language.open_values.items():
        added = [one for one in more[kind] if one not in known.held_out and one not in known.train]
        values[kind] = Values(train=(*known.train, *added), held_out=known.held_out)
    return replace(language, open_values=values)


DEMO_LANGUAGES = (with_more(ENGLISH, MORE_ENGLISH), with_more(CHINESE, MORE_CHINESE))

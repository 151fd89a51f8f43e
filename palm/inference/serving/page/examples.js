// Rows to start with. They are made up, and fill the fields that the selected tasks read.

/** @typedef {import("./api.js").Row} Row */

/** @type {Record<"en" | "zh", Row[]>} */
export const EXAMPLES = {
  en: [
    {
      text_a: "Book a quiet table for two in Rome tomorrow at eight, please 🍝",
      text_b: "I would like to reserve dinner for two people in Rome.",
      question: "Where is the table to be?",
      choices: ["a restaurant", "a train ticket", "a weather report"],
    },
    {
      text_a:
        "On Monday Ada Lovelace flew from London to Vienna, where Siemens had invited her to speak about the Analytical Engine.",
      text_b: "Siemens asked Ada Lovelace to give a talk in Vienna.",
      question: "Who invited Ada Lovelace?",
      choices: ["She gave a talk.", "She bought a house.", "She missed her train."],
    },
    {
      text_a: "The room was spotless, but the wifi kept dropping and breakfast was cold by nine.",
      text_b: "The guest had no complaints at all.",
      question: "When was breakfast cold?",
      choices: ["a hotel", "a museum", "a concert"],
    },
    {
      text_a: "Paris is the [MASK] of France.",
      text_b: "France is governed from Paris.",
      question: "Of which country?",
      choices: ["a city", "a river", "a mountain"],
    },
  ],
  zh: [
    {
      text_a: "帮我订明天晚上八点从北京到上海的高铁票，要靠窗的座位🚄",
      text_b: "我想买明晚去上海的火车票。",
      question: "要去哪里？",
      choices: ["订票", "查天气", "点外卖"],
    },
    {
      text_a: "周二，浙江大学的研究人员在杭州发布了新的语言模型，阿里巴巴参与了这次合作。",
      text_b: "阿里巴巴和浙江大学合作研究语言模型。",
      question: "谁参与了合作？",
      choices: ["科技", "体育", "娱乐"],
    },
    {
      text_a: "房间很干净，就是隔音太差，早餐九点就凉了。",
      text_b: "客人对酒店完全满意。",
      question: "早餐什么时候凉了？",
      choices: ["酒店", "博物馆", "音乐会"],
    },
    {
      text_a: "北京是中国的首[MASK]。",
      text_b: "中国的首都在北京。",
      question: "哪个国家？",
      choices: ["城市", "河流", "山脉"],
    },
  ],
};

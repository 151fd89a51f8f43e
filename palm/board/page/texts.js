// The texts of the page in its two languages.
const TEXTS = {
  en: {
    skip: "Skip to the charts", runs: "Runs", search: "Search runs", tools: "Visible steps", earlier: "Earlier steps",
    later: "Later steps", closer: "Magnify", wider: "Reduce", all: "All steps", smoothing: "Smoothing",
    live: "live", lost: "connection lost, trying again", waiting: "connecting", language: "中文",
    theme: { system: "Theme: system", light: "Theme: light", dark: "Theme: dark" },
    states: { training: "training", ended: "ended", stopped: "stopped", unknown: "end not recorded" },
    step: "step", steps: (first, last) => `steps ${first} – ${last}`, of: "of", none: "Choose a run to see its curves.",
    nothing: "No run here yet. One appears as soon as it is started below this folder.", ranks: "processes",
    waits: "No step is logged yet.", reading: (name, share) => `${name}: ${share} read`,
    full: (name, lines) => `${name}: only its first ${lines} lines are shown, as many as are held in memory.`,
    most: (count) => `At most ${count} runs are shown at once: deselect one first.`,
    failed: (reason) => `The server refused: ${reason}`, numbers: "last values",
    help: "Drag a chart sideways to move, hold Ctrl or Shift and turn the wheel to magnify, double-click for all steps. With the keyboard: arrows, + and −, 0. Thick lines are averages, thin ones or areas the logged values from lowest to highest; circles mark the best evaluations. `palm report` makes one file of these views, with data statistics.",
    training: "training", kinds: { loss: "loss", learning_rate: "learning rate", speed: "steps per second",
      data_wait: "waiting for data", probability: "sampling probabilities", mix: "mix so far",
      cosine: "gradient cosines", factor: "loss factors" },
    ofRun: "Whole run", dev: "dev",
    sections: { results: "Results", mix: "Mix of the tasks", events: "Events", configuration: "Configuration" },
  },
  zh: {
    skip: "跳到图表", runs: "运行", search: "搜索运行", tools: "可见的步", earlier: "向前", later: "向后",
    closer: "放大", wider: "缩小", all: "全部步", smoothing: "平滑",
    live: "实时", lost: "连接中断，正在重试", waiting: "正在连接", language: "English",
    theme: { system: "主题：跟随系统", light: "主题：浅色", dark: "主题：深色" },
    states: { training: "训练中", ended: "已结束", stopped: "已停止", unknown: "未记录结束" },
    step: "步", steps: (first, last) => `第 ${first} – ${last} 步`, of: "/", none: "请选择要查看的运行。",
    nothing: "这里还没有运行。在此文件夹下开始训练后会自动出现。", ranks: "个进程",
    waits: "尚未记录任何一步。", reading: (name, share) => `${name}：已读取 ${share}`,
    full: (name, lines) => `${name}：内存中只保留并显示前 ${lines} 行。`,
    most: (count) => `最多同时显示 ${count} 个运行，请先取消一个。`,
    failed: (reason) => `服务器拒绝了请求：${reason}`, numbers: "最新值",
    help: "左右拖动图表可移动，按住 Ctrl 或 Shift 并滚动滚轮可缩放，双击显示全部步。键盘：方向键、+、−、0。粗线是平均值，细线或色带是记录值（最低到最高），圆圈标出最好的评估。`palm report` 可把这些视图连同数据统计写成一个文件。",
    training: "训练", kinds: { loss: "损失", learning_rate: "学习率", speed: "每秒步数", data_wait: "等待数据",
      probability: "采样概率", mix: "至今的任务比例", cosine: "梯度余弦", factor: "损失系数" },
    ofRun: "整个运行", dev: "验证集",
    sections: { results: "结果", mix: "任务比例", events: "事件", configuration: "配置" },
  },
};

let language = "en";

// A value kept by the browser; null where it keeps none.
export function kept(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

export function keep(name, value) {
  try { localStorage.setItem(name, value); } catch { /* a browser that keeps nothing */ }
}

export const texts = () => TEXTS[language];

export function setLanguage(name) {
  language = name in TEXTS ? name : "en";
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = texts()[element.dataset.text];
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", texts()[element.dataset.label]);
    element.title = texts()[element.dataset.label];
  }
}

export const currentLanguage = () => language;

export const otherLanguage = () => (language === "en" ? "zh" : "en");

export function shown(value) {
  if (value === null || value === undefined) return "";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

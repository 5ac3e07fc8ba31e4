// Versions go from old to new along one ramp, light and dark ones apart, so that order can be seen without colour vision.
const ramps = {
  light: ['#c9b8de', '#a58bc9', '#7e74b8', '#5a6fb0', '#3f7fa9', '#2a8f95', '#2d9c77', '#5aa84c', '#8fae2b', '#b5a70f'],
  dark: ['#5b4a75', '#6f5b98', '#6c6fb3', '#5d86bd', '#4f9dbd', '#4bb3ad', '#5cc493', '#87d077', '#b9d65f', '#e9d94f'],
};
const plain = {light: ['#2f6db5', '#c2571a', '#3b8f5a', '#8a55a8', '#8a6d1d'], dark: ['#6ea8e6', '#f0a067', '#7ccf9a', '#c49be0', '#d9bd62']};
const shades = {light: {ink: '#1b1f24', soft: '#4a525b', line: '#d5dae0', card: '#f6f8fa', rest: '#9aa1a9'},
  dark: {ink: '#e8ebee', soft: '#b3bac2', line: '#3a414a', card: '#1d2127', rest: '#7d858e'}};

function colours(chart, mode) {
  const own = chart.series.filter(s => !s.rest).length;
  let at = 0;
  return chart.series.map(s => {
    if (s.rest) return shades[mode].rest;
    const i = at++;
    if (!chart.ramp) return plain[mode][i % plain[mode].length];
    const ramp = ramps[mode];
    return ramp[own < 2 ? ramp.length - 1 : Math.round(i * (ramp.length - 1) / (own - 1))];
  });
}

function option(chart, mode, width) {
  const shade = shades[mode], sideways = chart.kind === 'rows', narrow = width < 480;
  const text = {color: shade.soft, fontSize: narrow ? 11 : 12};
  const gapless = chart.kind === 'area' || chart.kind === 'line';
  const days = /^\d{4}-\d\d-\d\d$/.test(chart.x[0]); // the first one and the last one, centred, would be cut at the edges
  const category = {type: 'category', data: chart.x, boundaryGap: !gapless,
    axisLabel: {...text, hideOverlap: true, ...days && {alignMinLabel: 'left', alignMaxLabel: 'right'}}, axisLine: {lineStyle: {color: shade.line}}, axisTick: {show: false}};
  if (sideways) Object.assign(category, {inverse: true, axisLabel: {...text, width: narrow ? 90 : 160, overflow: 'truncate', interval: 0}});
  const value = {type: 'value', max: chart.unit === '%' ? 100 : undefined, interval: chart.unit === '%' ? 25 : undefined, splitNumber: narrow ? 3 : 5,
    axisLabel: {...text, formatter: '{value}' + (chart.unit ? ' ' + chart.unit : '')}, splitLine: {lineStyle: {color: shade.line}}};
  const legend = chart.series.length > 1;
  const series = chart.series.map((s, i) => ({
    name: s.name, data: s.values, type: chart.kind === 'area' || chart.kind === 'line' ? 'line' : 'bar',
    stack: chart.stack ? 'all' : undefined, areaStyle: chart.kind === 'area' ? {opacity: .85} : undefined,
    lineStyle: {width: chart.kind === 'area' ? 1 : 2}, showSymbol: chart.x.length === 1 || chart.kind === 'line', symbolSize: 4,
    emphasis: {focus: 'series'}, barMaxWidth: 34,
    markLine: i === 0 && chart.marks ? {silent: true, symbol: 'none', lineStyle: {color: shade.ink, type: 'dashed', width: 1},
      label: {color: shade.ink, fontSize: 11, formatter: '{b}', position: 'insideEndTop'},
      data: chart.marks.map(m => ({xAxis: m.at, name: m.name}))} : undefined,
  }));
  return {
    color: colours(chart, mode), animation: false, textStyle: {fontFamily: 'inherit'},
    aria: {enabled: true, label: {description: chart.title + '. ' + chart.note + ' The numbers are in the table below.'}},
    grid: {left: 8, right: 16, top: legend ? 56 : 20, bottom: 8, containLabel: true},
    legend: legend ? {type: 'scroll', top: 0, icon: 'roundRect', itemWidth: 14, itemHeight: 10, textStyle: text, pageTextStyle: text, pageIconColor: shade.soft,
      pageIconInactiveColor: shade.line, data: chart.series.map(s => s.name)} : undefined,
    tooltip: {trigger: 'axis', confine: true, backgroundColor: shade.card, borderColor: shade.line, textStyle: {color: shade.ink, fontSize: 12},
      valueFormatter: v => v === null || v === undefined ? '–' : v + (chart.unit ? ' ' + chart.unit : '')},
    xAxis: sideways ? value : category, yAxis: sideways ? category : value, series,
  };
}

const dark = matchMedia('(prefers-color-scheme: dark)');
const drawn = charts.map(chart => {
  const room = document.getElementById(chart.id);
  const drawing = echarts.init(room, null, {renderer: 'svg'});
  const draw = mode => drawing.setOption(option(chart, mode, room.clientWidth), true);
  return {draw, fit: () => drawing.resize()};
});
function drawAll(mode) {
  for (const chart of drawn) { chart.fit(); chart.draw(mode); }
}
const present = () => drawAll(dark.matches ? 'dark' : 'light');
present();
dark.addEventListener('change', present);
let waiting;
addEventListener('resize', () => { clearTimeout(waiting); waiting = setTimeout(present, 100); });
matchMedia('print').addEventListener('change', e => e.matches ? drawAll('light') : present());

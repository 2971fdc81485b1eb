'use strict';

// The colours of a heatmap, from cold to hot: those of scripts/images/heat.py.
const RAMP = [[0, 0, 4], [51, 10, 95], [120, 28, 109], [187, 55, 84], [237, 105, 37],
  [252, 181, 25], [252, 255, 164]];
const CAMERAS = {own: 'Use this camera', served: 'Camera of the server'};
const AT_ONCE = 4;  // Photos on their way to the server.
const LONGER_SIDE = 640;  // Pixels, of a frame that is sent.
const SPOKEN_EVERY = 2500;  // Milliseconds: a screen reader is to finish a label.

const $ = (id) => document.getElementById(id);
const live = {kind: null, stream: null, rate: 0, spoken: '', spokenAt: -Infinity};
const shown = [];  // Cards of photos.
const waiting = [];  // Those of them that are to be labelled.
let onTheWay = 0;
let about = {};

function element(name, kind, text) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

function showError(text) {
  $('error').textContent = text || '';
  $('error').hidden = !text;
}

function percent(score) {
  return (100 * score).toFixed(1) + '%';
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    throw new Error('The server does not answer.');
  }
  const value = await answer.json();
  if (value.error !== undefined) throw new Error(value.error);
  return value;
}

function label(photo) {
  return ask('label' + (wantsHeat() ? '?heatmap=1' : ''), {method: 'POST', body: photo});
}

function wantsHeat() {
  return $('heat').checked;
}

function drawHeat(canvas, heat) {
  canvas.hidden = !heat;
  if (!heat) return;
  canvas.height = heat.length;
  canvas.width = heat[0].length;
  const context = canvas.getContext('2d');
  const pixels = context.createImageData(canvas.width, canvas.height);
  heat.flat().forEach((value, place) => {
    const at = Math.min(value, 0.9999) * (RAMP.length - 1);
    const low = Math.floor(at);
    for (let channel = 0; channel < 3; channel += 1) {
      const [from, to] = [RAMP[low][channel], RAMP[low + 1][channel]];
      pixels.data[4 * place + channel] = from + (to - from) * (at - low);
    }
    pixels.data[4 * place + 3] = 255;
  });
  context.putImageData(pixels, 0, 0);
}

function showScores(list, labels) {
  list.replaceChildren(...labels.map((each) => {
    const item = element('li');
    const name = element('bdi', '', each.label);
    name.title = each.label;
    item.append(name, element('span', '', percent(each.score)));
    item.style.setProperty('--fraction', Math.max(0, Math.min(1, each.score)));
    return item;
  }));
}

// Photos.

function addPhotos(files) {
  const photos = [...files].filter((file) => file.type.startsWith('image/') || !file.type);
  showError(files.length > photos.length ? 'What is no image is left out.' : '');
  photos.forEach((file) => {
    const card = newCard(file);
    $('cards').prepend(card.item);
    shown.push(card);
    waiting.push(card);
  });
  $('labelled').hidden = !$('cards').children.length;
  sendWaiting();
}

function newCard(file) {
  const card = {file, item: element('li'), seen: element('div', 'seen'),
    canvas: element('canvas', 'heat'), scores: element('ol', 'scores'), image: element('img'),
    error: element('p', 'error'), removed: false};
  const name = element('div', 'file');
  name.append(element('bdi', '', file.name));
  name.title = file.name;
  card.url = URL.createObjectURL(file);
  card.image.alt = file.name;
  card.image.src = card.url;
  card.image.addEventListener('error', () => { card.seen.hidden = true; });
  card.canvas.hidden = true;
  card.error.hidden = true;
  card.seen.append(card.image, card.canvas);
  card.item.append(card.seen, name, card.scores, card.error);
  return card;
}

function sendWaiting() {
  while (onTheWay < AT_ONCE && waiting.length) {
    onTheWay += 1;
    labelCard(waiting.shift()).finally(() => {
      onTheWay -= 1;
      sendWaiting();
    });
  }
}

async function labelCard(card) {
  if (card.removed) return;
  card.item.setAttribute('aria-busy', 'true');
  try {
    if (card.file.size > about.most_bytes) {
      throw new Error('the photo is larger than ' + (about.most_bytes >> 20) + ' MB');
    }
    const found = await label(card.file);
    showScores(card.scores, found.labels);
    drawHeat(card.canvas, wantsHeat() ? found.heatmap : null);
    card.error.hidden = true;
    const [best] = found.labels;
    $('said').textContent = card.file.name + ': ' + best.label + ', ' + percent(best.score);
  } catch (error) {
    card.error.textContent = error.message;
    card.error.hidden = false;
    $('said').textContent = card.file.name + ': ' + error.message;
  }
  card.item.removeAttribute('aria-busy');
}

function removeCards() {
  for (const card of shown.splice(0)) {
    card.removed = true;
    card.item.remove();
    URL.revokeObjectURL(card.url);
  }
  $('labelled').hidden = true;
  $('files').focus();
}

// Labels them again: heatmaps are made as they are asked for.
function showOrHideHeat() {
  for (const card of shown) {
    if (!wantsHeat()) drawHeat(card.canvas, null);
    else if (!waiting.includes(card)) waiting.push(card);
  }
  sendWaiting();
}

// Cameras.

async function startOwn() {
  if (!navigator.mediaDevices) {
    throw new Error('Browsers give their camera to https and localhost only: see docs/serving.md.');
  }
  try {
    live.stream = await navigator.mediaDevices.getUserMedia(
      {video: {facingMode: 'environment', width: {ideal: 1280}}});
  } catch (error) {
    throw new Error('The browser gives no camera: ' + error.message);
  }
  $('video').srcObject = live.stream;
  await $('video').play();
}

function stopLive() {
  if (live.stream) live.stream.getTracks().forEach((track) => track.stop());
  $('video').srcObject = null;
  live.kind = live.stream = null;
  $('live').hidden = true;
  for (const [id, text] of Object.entries(CAMERAS)) $(id).textContent = text;
}

async function toggle(kind) {
  const before = live.kind;
  stopLive();
  showError('');
  if (before === kind) return;
  live.kind = kind;
  live.rate = 0;
  try {
    if (kind === 'own') await startOwn();
    if (live.kind !== kind) return;
    $(kind).textContent = 'Stop the camera';
    $('video').hidden = kind !== 'own';
    $('frame').hidden = true;
    $('liveheat').hidden = true;
    $('livescores').replaceChildren();
    $('live').hidden = false;
    await (kind === 'own' ? run(kind, ownFrame) : run(kind, servedFrame));
  } catch (error) {
    stopLive();
    showError(error.message);
  }
}

async function run(kind, next) {
  const state = {after: 0, canvas: element('canvas')};
  while (live.kind === kind) {
    const start = performance.now();
    const found = await next(state);
    if (live.kind !== kind) return;
    showScores($('livescores'), found.labels);
    drawHeat($('liveheat'), found.heatmap);
    const rate = 1000 / Math.max(1, performance.now() - start);
    live.rate = live.rate ? 0.9 * live.rate + 0.1 * rate : rate;
    $('rate').textContent = live.rate.toFixed(1);
    speak(found.labels[0]);
  }
}

async function ownFrame(state) {
  const video = $('video');
  const scale = Math.min(1, LONGER_SIDE / Math.max(video.videoWidth, video.videoHeight));
  state.canvas.width = Math.round(scale * video.videoWidth);
  state.canvas.height = Math.round(scale * video.videoHeight);
  state.canvas.getContext('2d').drawImage(video, 0, 0, state.canvas.width, state.canvas.height);
  const photo = await new Promise((done) => state.canvas.toBlob(done, 'image/jpeg', 0.92));
  return label(photo);
}

async function servedFrame(state) {
  const found = await ask('camera?after=' + state.after + (wantsHeat() ? '&heatmap=1' : ''));
  state.after = found.frame;
  $('frame').src = 'data:image/jpeg;base64,' + found.image;
  $('frame').hidden = false;
  return found;
}

function speak(best) {
  const now = performance.now();
  if (best.label === live.spoken || now - live.spokenAt < SPOKEN_EVERY) return;
  [live.spoken, live.spokenAt] = [best.label, now];
  $('said').textContent = best.label;
}

// The page.

async function start() {
  about = await ask('page.json');
  document.title = about.name + ': label photos';
  $('name').textContent = about.name;
  $('about').textContent = about.labels + ' labels';
  $('predict').textContent = 'POST ' + location.origin + '/v1/models/'
    + encodeURIComponent(about.name) + ':predict';
  $('served').hidden = !about.camera;
  document.body.classList.toggle('as-stored', about.exif_rotation === 'ignore');
  if (about.no_heatmaps) {
    $('heat').disabled = true;
    $('note').textContent = 'No heatmaps: ' + about.no_heatmaps;
    $('note').hidden = false;
  }
}

function listen() {
  $('files').addEventListener('change', () => {
    addPhotos($('files').files);
    $('files').value = '';
  });
  document.addEventListener('paste', (event) => addPhotos(event.clipboardData.files));
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    $('drop').classList.add('over');
  });
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) $('drop').classList.remove('over');
  });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    $('drop').classList.remove('over');
    addPhotos(event.dataTransfer.files);
  });
  $('heat').addEventListener('change', showOrHideHeat);
  $('clear').addEventListener('click', removeCards);
  $('own').addEventListener('click', () => toggle('own'));
  $('served').addEventListener('click', () => toggle('served'));
}

listen();
start().catch((error) => showError(error.message));

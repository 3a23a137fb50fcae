/**
 * The page that shows the inspector of stately.ai in a frame and hands it what this program sends over the WebSocket of the same
 * address. The inspector itself says when it is ready; nothing but what is sent here is given to it.
 */
export const inspectorOrigin = 'https://stately.ai'

export const bridgePage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Reeve in Stately Inspector</title>
<style>html, body, iframe { margin: 0; border: 0; width: 100%; height: 100% } body { overflow: hidden }</style>
<iframe title="Stately Inspector" src="${inspectorOrigin}/inspect"></iframe>
<script>
  const frame = document.querySelector('iframe')
  const waiting = []
  let ready = false
  const give = (event) => frame.contentWindow.postMessage(event, '${inspectorOrigin}')
  addEventListener('message', ({ origin, data }) => {
    if (origin !== '${inspectorOrigin}' || data?.type !== '@statelyai.connected') return
    ready = true
    waiting.splice(0).forEach(give)
  })
  new WebSocket('ws://' + location.host).onmessage = ({ data }) => {
    const event = JSON.parse(data)
    if (ready) give(event)
    else waiting.push(event)
  }
</script>
</html>
`

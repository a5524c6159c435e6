"""The test kit: SIP phones of our own, SIPp runs, tone detection, and the real parts they talk to.

    agent.behaviour = Answer(after_s=0.5, tone_hz=700)
    await agent.register()
    call = trunk.call("0800000100", caller="0910000001", tone_hz=400)
    await call.answered()
    await call.press("1")
    desk = await agent.next_call()
    await asyncio.gather(call.hears(700), desk.hears(400))
    await call.hang_up()
    assert (await desk.ended()) - call.times.bye_at < 0.2

`phone` and `behaviour` for phones, `call` for what a call can tell, `tones` for recordings, `sipp` for load,
`parts` for the real Asterisk, `waiting` for anything else.
"""

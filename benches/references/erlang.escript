#!/usr/bin/env escript
%% W1 to W4b and W7 in Erlang; prints the lines of benches/support.lua. Run as  escript erlang.escript [scale].
-mode(compile).

main(Arguments) ->
    Scale = case Arguments of [Text | _] -> number(Text); [] -> 1 end,
    Span = 0.4 * Scale,
    print("W1", in_process(fun() -> pingpong(Span) end), "round trips/s"),
    print("W2", in_process(fun() -> stream(1, round(1000000 * Scale)) end), "messages/s"),
    print("W3", in_process(fun() -> stream(4, round(250000 * Scale)) end), "messages/s"),
    print("W4", in_process(fun() -> one_by_one(Span) end), "processes/s"),
    print("W4b", in_process(fun() -> together(1000) end), "processes/s"),
    print("W7", in_process(fun() -> ring(Span, 1000) end), "hops/s").

pingpong(Span) ->
    Self = self(),
    Partner = spawn_link(fun() -> echo(Self) end),
    rate(Span, fun() ->
        Partner ! {ping, #{n => 1, s => <<"hello">>}},
        receive {pong, _} -> ok end
    end).

echo(Partner) ->
    receive {ping, Ball} -> Partner ! {pong, Ball} end,
    echo(Partner).

stream(Producers, Each) ->
    Self = self(),
    Total = Producers * Each,
    Total / seconds(fun() ->
        repeat(Producers, fun() -> spawn_link(fun() -> produce(Self, Each) end) end),
        repeat(Total, fun() -> receive {item, _} -> ok end end)
    end).

produce(_, 0) -> ok;
produce(Consumer, N) ->
    Consumer ! {item, #{n => N, s => <<"hello">>}},
    produce(Consumer, N - 1).

one_by_one(Span) ->
    rate(Span, fun() ->
        {_, Monitor} = spawn_monitor(fun() -> ok end),
        receive {'DOWN', Monitor, _, _, _} -> ok end
    end).

together(Count) ->
    Count / seconds(fun() ->
        Pids = [element(1, spawn_monitor(fun() -> receive stop -> ok end end)) || _ <- lists:seq(1, Count)],
        [Pid ! stop || Pid <- Pids],
        repeat(Count, fun() -> receive {'DOWN', _, _, _, _} -> ok end end)
    end).

ring(Span, Size) ->
    First = lists:foldl(fun(_, Next) -> spawn_link(fun() -> member(Next) end) end, self(), lists:seq(2, Size)),
    Size * rate(Span, fun() ->
        First ! {token, 1},
        receive {token, _} -> ok end
    end).

member(Next) ->
    receive {token, N} -> Next ! {token, N} end,
    member(Next).

%% The result of Fun, called in a process of its own; what that process is linked to ends with it.
in_process(Fun) ->
    {_, Monitor} = spawn_monitor(fun() -> exit({result, Fun()}) end),
    receive {'DOWN', Monitor, _, _, {result, Result}} -> Result end.

%% Steps per second: more and more of them until they last Span seconds.
rate(Span, Step) -> rate(Span, Step, 1).

rate(Span, Step, N) ->
    Seconds = seconds(fun() -> repeat(N, Step) end),
    if
        Seconds >= Span -> N / Seconds;
        true -> rate(Span, Step, N * min(10, ceil(1.1 * Span / max(Seconds, 1.0e-6))))
    end.

repeat(0, _) -> ok;
repeat(N, Fun) -> Fun(), repeat(N - 1, Fun).

seconds(Fun) ->
    Start = erlang:monotonic_time(nanosecond),
    Fun(),
    (erlang:monotonic_time(nanosecond) - Start) / 1.0e9.

number(Text) ->
    try list_to_float(Text) catch error:badarg -> list_to_integer(Text) end.

print(Id, Value, Unit) ->
    io:format("~s ~.3f ~s~n", [Id, float(Value), Unit]).

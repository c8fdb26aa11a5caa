"""How the constants of ``membrane`` are found: ``python -m salhw_pynn.analog.fit`` prints them (minutes)."""

from __future__ import annotations

import numpy as np

from salhw.compile.place import place
from salhw.fields import FloatArray
from salhw.network import Network, Population
from salhw.neurons import GLM
from salhw_pynn.analog.circuit import circuit
from salhw_pynn.analog.membrane import drive
import salhw
from salhw_pynn import backend
from salhw_pynn.session import ENGINE, _worker, _idle
def rates(leaks,dur=20000., dt=1.0):
    n=len(leaks)
    net=Network(name="a",dt=dt,populations=[Population(name="n",size=n,neuron=GLM())])
    t=salhw.target("nest").ideal()
    pl,_=place(net,t)
    c=circuit(net,pl,t.sample_chips(1))
    w=_worker()
    w.call(f"{ENGINE}:open_network",c.plan.as_data(),12,1,limit=100)
    m=c.cells["n"]
    w.call(f"{ENGINE}:write_cells",{"n":{"I_e":np.asarray(leaks),"V_th":m.thresh.ravel()}},limit=10)
    import time; t0=time.time()
    f=w.call(f"{ENGINE}:run",int(dur/c.plan.tick),{},limit=1000)["spikes"]["n"]
    print("wall",time.time()-t0)
    _idle.append(w)
    return np.bincount(f["cell"],minlength=n)/dur*1000
if __name__=="__main__":
    b=np.repeat(np.linspace(-4,4,17),16)
    r=rates(-0.54+b/1.493)
    r=r.reshape(17,16).mean(1)
    b=b[::16]
    for x,y in zip(b,r): print(x, y, y/(100/(1+np.exp(-x))))

"""How `passerelle serve` meets its clients: who is served first, and who is cut off.

No client holds a thread by being slow. A request reaches a thread when its body is here
(`bodies`), its answer leaves the thread whole (`answering`), tills keep a share of the threads that
nobody else can take (`admission`), and connections cost a descriptor and some kilobytes each
(`worker`). It does not know what a request means; the application below is any WSGI application,
and `wsgi.py` runs under any other server as well.
"""
